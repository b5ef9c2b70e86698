// TDX evidence as a whole, in Intel's order: form, chain, revocation, collateral, quote. What it yields is genuine, not wanted.

import type { TdxEvidence } from '../evidence/tdx-evidence.ts';
import type { PckExtensions } from '../evidence/tdx-pck-extensions.ts';
import { parseTdxQuote, type TdxQuote } from '../evidence/tdx-quote.ts';
import { rateTdxTcb, type TdxTcbRating } from './rate-tdx-tcb.ts';
import type { StepLog } from './step.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';
import { type TdxTrust, verifyTdxChain } from './verify-tdx-chain.ts';
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
  evidence: TdxEvidence,
  trust: TdxTrust,
  now: Date,
  crypto: VerifierCrypto,
): Promise<GenuineTdx> {
  const quote = await log.must('tdx.quote-form', 'The quote has a known form', () => {
    const value = parseTdxQuote(evidence.quote);
    return { result: 'pass', expected: 'version 4 or 5', actual: `version ${value.version}`, value };
  });
  const chain = await verifyTdxChain(log, quote.pckChain, trust, now, crypto);
  const { rootList, pckList } = await verifyTdxRevocation(log, evidence, chain, now, crypto);
  const collateral = await verifyTdxCollateral(log, evidence, chain, rootList.revoked, now, crypto);
  await verifyTdxQuote(log, quote, chain, collateral, crypto);
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
