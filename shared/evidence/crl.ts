// The vendors' revocation lists (RFC 5280 section 5, narrowed): complete lists only, with an end.

import { type Bytes, concat } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import { toHex } from '../bytes/hex.ts';
import { type CertificateVendor, VENDOR_ALGORITHM } from './certificate-vendor.ts';
import { CRL_MAXIMUM_BYTES, DerReader, TAG } from './der.ts';
import { EvidenceError } from './evidence-error.ts';
import { readExtensions } from './x509.ts';

/** A revocation list as read; its signature has not been checked yet. */
export interface RevocationList {
  /** The signed octets. */
  readonly tbs: Bytes;
  /** RSA: as it stands. ECDSA: r ‖ s, both in full length. */
  readonly signature: Bytes;
  /** Name as DER. */
  readonly issuer: Bytes;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  /** Serial numbers in hex without leading zeros. */
  readonly revoked: ReadonlySet<string>;
}

// Delta lists and lists of partial scope: "not on this list" would not mean "not revoked".
const OID_DELTA = '2.5.29.27';
const OID_SCOPE = '2.5.29.28';
const NOTHING_CRITICAL: ReadonlySet<string> = new Set();

/**
 * Reads one revocation list. An absent list of revoked certificates is a statement of its issuer; absent octets are not.
 * @throws EvidenceError `evidence_too_large`, `evidence_algorithm_unsupported`, or `evidence_crl_malformed`, which
 *   includes a missing nextUpdate, delta and partial lists, and any critical extension.
 */
export function parseCrl(der: Uint8Array, vendor: CertificateVendor = 'amd'): RevocationList {
  if (der.length > CRL_MAXIMUM_BYTES)
    throw new EvidenceError('evidence_too_large', `revocation list over ${CRL_MAXIMUM_BYTES} octets`);
  const file = new DerReader(concat(der), 'evidence_crl_malformed');
  const list = file.enter(TAG.sequence);
  file.end();
  const tbsValue = list.take(TAG.sequence);
  const outerAlgorithm = list.take(TAG.sequence);
  const signature = list.takeBits();
  list.end();

  const tbs = list.within(tbsValue);
  if (tbs.takeSmallInteger() !== 1) throw tbs.error('not a version 2 list');
  const innerAlgorithm = tbs.take(TAG.sequence);
  if (!equalBytes(innerAlgorithm.whole, outerAlgorithm.whole)) throw tbs.error('two signature algorithms');
  const algorithm = VENDOR_ALGORITHM[vendor];
  algorithm.read(new DerReader(innerAlgorithm.whole, 'evidence_crl_malformed'));
  const issuer = tbs.take(TAG.sequence).whole;
  const thisUpdate = tbs.takeTime();
  const nextUpdate = tbs.takeTime();
  const entries = tbs.takeOptional(TAG.sequence);
  const revoked = entries ? readRevoked(tbs.within(entries)) : new Set<string>();
  if (tbs.nextTag === TAG.context0) {
    const extensions = readExtensions(tbs.enter(TAG.context0), NOTHING_CRITICAL);
    if (extensions.has(OID_DELTA) || extensions.has(OID_SCOPE)) throw tbs.error('not a complete list');
  }
  tbs.end();
  return {
    tbs: tbsValue.whole,
    signature: algorithm.signature(signature, 'evidence_crl_malformed'),
    issuer,
    thisUpdate,
    nextUpdate,
    revoked,
  };
}

function readRevoked(entries: DerReader): ReadonlySet<string> {
  const revoked = new Set<string>();
  // RFC 5280 section 5.1.2.6: without entries the field is absent.
  if (entries.done) throw entries.error('empty list of revoked certificates');
  while (!entries.done) {
    const entry = entries.enter(TAG.sequence);
    revoked.add(toHex(entry.takeUnsigned()).replace(/^0+/, '') || '0');
    entry.takeTime();
    if (!entry.done) readEntryExtensions(entry);
    entry.end();
  }
  return revoked;
}

function readEntryExtensions(entry: DerReader): void {
  const value = entry.take(TAG.sequence);
  readExtensions(new DerReader(value.whole, 'evidence_crl_malformed'), NOTHING_CRITICAL);
}
