// TDX evidence as a whole, in Intel's order: form, chain, revocation, collateral, quote. What it yields is genuine, not wanted.

import { type Bytes, concat } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import { parseCrl } from '../evidence/crl.ts';
import type { EndorsedDocument, TdxEvidence } from '../evidence/tdx-evidence.ts';
import type { PckExtensions } from '../evidence/tdx-pck-extensions.ts';
import { parseTdxQuote, type TdxQuote } from '../evidence/tdx-quote.ts';
import { type Certificate, parseCertificate } from '../evidence/x509.ts';
import { beginEarly, type EarlyCrypto, Reading } from './begin-early.ts';
import { rateTdxTcb, type TdxTcbRating } from './rate-tdx-tcb.ts';
import type { StepLog } from './step.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';
import { type TdxChain, type TdxTrust, verifyTdxChain } from './verify-tdx-chain.ts';
import { verifyTdxCollateral } from './verify-tdx-collateral.ts';
import { verifyTdxQuote } from './verify-tdx-quote.ts';
import { verifyTdxRevocation } from './verify-tdx-revocation.ts';

/** Evidence that Intel answers for, and what Intel thinks of the platform. */
export interface GenuineTdx {
  readonly quote: TdxQuote;
  readonly pck: PckExtensions;
  readonly tcb: TdxTcbRating;
  /** When the first of certificates, revocation lists and collateral ends. */
  readonly notAfter: Date;
}

/** Verifies evidence cryptographically; stops at the first failure. */
export async function verifyTdxEvidence(
  log: StepLog,
  given: TdxEvidence,
  trust: TdxTrust,
  now: Date,
  crypto: VerifierCrypto,
): Promise<GenuineTdx> {
  // Documents are read after their signature was awaited: from octets that nobody else can change meanwhile.
  const evidence = copyOf(given);
  const quote = await log.must('tdx.quote-form', 'The quote has a known form', () => {
    const value = parseTdxQuote(evidence.quote);
    return { result: 'pass', expected: 'version 4 or 5', actual: `version ${value.version}`, value };
  });
  const chain = await verifyTdxChain(log, quote.pckChain, trust, now, crypto);
  const lists = {
    rootCrl: new Reading(() => parseCrl(evidence.rootCrl, 'intel')),
    pckCrl: new Reading(() => parseCrl(evidence.pckCrl, 'intel')),
  };
  const tcbSigner = new Reading(() => parseCertificate(evidence.tcbInfo.signer, 'intel'));
  const signers = {
    tcbInfo: tcbSigner,
    qeIdentity: equalBytes(evidence.qeIdentity.signer, evidence.tcbInfo.signer)
      ? tcbSigner
      : new Reading(() => parseCertificate(evidence.qeIdentity.signer, 'intel')),
  };
  const bound = { ...quote, attestationPoint: concat(Uint8Array.of(0x04), quote.attestationKey) };
  const early = beginEarly(crypto);
  beginAll(early, bound, evidence, chain, lists, signers);

  const { rootList, pckList } = await verifyTdxRevocation(log, lists, chain, now, early);
  const collateral = await verifyTdxCollateral(log, evidence, signers, chain, rootList.revoked, now, early);
  await verifyTdxQuote(log, bound, chain, collateral, early);
  const tcb = rateTdxTcb(quote, chain.extensions, collateral.tcbInfo, collateral.qeIdentity);
  const ends = [
    ...[chain.pck, chain.ca, chain.root, collateral].map(({ notAfter }) => notAfter),
    rootList.nextUpdate,
    pckList.nextUpdate,
  ];
  return {
    quote,
    pck: chain.extensions,
    tcb,
    notAfter: new Date(Math.min(...ends.map((end) => end.getTime()))),
  };
}

/** Begins all that is left to verify, so that nothing waits for another; the steps ask for it in their order. */
function beginAll(
  early: EarlyCrypto,
  quote: TdxQuote & { readonly attestationPoint: Bytes },
  { tcbInfo, qeIdentity }: TdxEvidence,
  { pck, ca, root }: TdxChain,
  lists: Parameters<typeof verifyTdxRevocation>[1],
  signers: Parameters<typeof verifyTdxCollateral>[2],
): void {
  const begin = (issuer: Certificate, signature: Bytes, message: Bytes): void => {
    if (issuer.publicKey.kind === 'p256') early.begin(issuer.publicKey.point, signature, message);
  };
  lists.rootCrl.ifRead(({ signature, tbs }) => begin(root, signature, tbs));
  lists.pckCrl.ifRead(({ signature, tbs }) => begin(ca, signature, tbs));
  for (const signer of new Set([signers.tcbInfo, signers.qeIdentity]))
    signer.ifRead(({ signature, tbs }) => begin(root, signature, tbs));
  signers.tcbInfo.ifRead((signer) => begin(signer, tcbInfo.signature, tcbInfo.document));
  signers.qeIdentity.ifRead((signer) => begin(signer, qeIdentity.signature, qeIdentity.document));
  begin(pck, quote.qeReportSignature, quote.qeReport.signed);
  early.begin(quote.attestationPoint, quote.signature, quote.signed);
}

function copyOf({ kind, quote, tcbInfo, qeIdentity, pckCrl, rootCrl }: TdxEvidence): TdxEvidence {
  const endorsed = ({ document, signature, signer }: EndorsedDocument): EndorsedDocument => ({
    document: concat(document),
    signature: concat(signature),
    signer: concat(signer),
  });
  return {
    kind,
    quote: concat(quote),
    tcbInfo: endorsed(tcbInfo),
    qeIdentity: endorsed(qeIdentity),
    pckCrl: concat(pckCrl),
    rootCrl: concat(rootCrl),
  };
}
