// Captured TDX evidence as the verifier takes it: a quote, and collateral in one JSON with the field names of dcap-qvl.

import type { Bytes } from '../../shared/bytes/concat.ts';
import { equalBytes } from '../../shared/bytes/equal.ts';
import { fromHex } from '../../shared/bytes/hex.ts';
import { fromUtf8, toUtf8 } from '../../shared/bytes/utf8.ts';
import { readPemCertificates } from '../../shared/evidence/pem.ts';
import type { EndorsedDocument, TdxEvidence } from '../../shared/evidence/tdx-evidence.ts';
import { parseTdxQuote } from '../../shared/evidence/tdx-quote.ts';

interface Collateral {
  readonly tcb_info: string;
  readonly tcb_info_signature: string;
  readonly tcb_info_issuer_chain: string;
  readonly qe_identity: string;
  readonly qe_identity_signature: string;
  readonly qe_identity_issuer_chain: string;
  readonly pck_crl: string;
  readonly root_ca_crl: string;
}

/** Captured evidence that lacks a part or carries a foreign one, such as another root behind a signer. */
export class IncompleteCapture extends Error {
  override readonly name = 'IncompleteCapture';
}

/**
 * The evidence of a quote and its collateral.
 * @throws IncompleteCapture, or EvidenceError when quote or chains cannot be read.
 */
export function readTdxCapture(quote: Bytes | undefined, collateral: Bytes | undefined): TdxEvidence {
  if (!quote || !collateral) throw new IncompleteCapture('no quote or no collateral');
  const given = JSON.parse(fromUtf8(collateral)) as Partial<Collateral>;
  const root = readPemCertificates(parseTdxQuote(quote).pckChain, 3, 3, 'evidence_certificate_malformed')[2];
  const member = (name: keyof Collateral): string => {
    const value = given[name];
    if (typeof value !== 'string') throw new IncompleteCapture(`no ${name}`);
    return value;
  };
  const hex = (name: keyof Collateral): Bytes => {
    const text = member(name).toLowerCase();
    if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) throw new IncompleteCapture(`${name} is not hex`);
    return fromHex(text);
  };
  const endorsed = (name: 'tcb_info' | 'qe_identity'): EndorsedDocument => {
    const chain = toUtf8(member(`${name}_issuer_chain`));
    const [signer, above] = readPemCertificates(chain, 2, 2, 'evidence_certificate_malformed');
    // The verifier holds signers against the quote's root; a chain that says another root is foreign.
    if (!signer || !above || !root || !equalBytes(above, root)) throw new IncompleteCapture('another root');
    return { document: toUtf8(member(name)), signature: hex(`${name}_signature`), signer };
  };
  return {
    kind: 'tdx',
    quote,
    tcbInfo: endorsed('tcb_info'),
    qeIdentity: endorsed('qe_identity'),
    pckCrl: hex('pck_crl'),
    rootCrl: hex('root_ca_crl'),
  };
}
