// An answer of an OCSP responder (RFC 6960 section 4.2.1), narrowed to what NVIDIA's profile can hold: basic, ECDSA P-384, SHA-384 ids.

import { type Bytes, concat } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import { toHex } from '../bytes/hex.ts';
import { VENDOR_ALGORITHM } from './certificate-vendor.ts';
import { DerReader, TAG } from './der.ts';
import { EvidenceError } from './evidence-error.ts';
import { readExtensions } from './x509.ts';

/** Largest answer that is looked at. One with a responder's certificate has about 2 kB. */
export const OCSP_MAXIMUM_BYTES = 16 * 1024;

/** What is said of one certificate. `hold`: revoked for the reason certificateHold, which can be taken back. */
export interface SingleStatus {
  /** SHA-384 of the issuer's name as DER. */
  readonly issuerNameHash: Bytes;
  /** SHA-384 of the issuer's public key, the content of its BIT STRING. */
  readonly issuerKeyHash: Bytes;
  /** Hex without leading zeros. */
  readonly serial: string;
  readonly status: 'good' | 'revoked' | 'hold' | 'unknown';
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
}

/** An answer as read; its signature has not been checked yet. */
export interface OcspResponse {
  /** The signed octets. */
  readonly tbs: Bytes;
  /** r ‖ s, 96 octets. */
  readonly signature: Bytes;
  /** Who says that he signed: a name as DER, or the SHA-1 of a key, which chooses nothing here. */
  readonly responder: { readonly name: Bytes } | { readonly keyHash: Bytes };
  readonly producedAt: Date;
  readonly statuses: readonly SingleStatus[];
  /** What the asker sent along; absent where the responder does not give it back. */
  readonly nonce: Bytes | undefined;
  /** Certificates of responders, DER. */
  readonly certificates: readonly Bytes[];
}

const OID = {
  basic: '1.3.6.1.5.5.7.48.1.1',
  nonce: '1.3.6.1.5.5.7.48.1.2',
  sha384: '2.16.840.1.101.3.4.2.2',
} as const;
const MALFORMED = 'evidence_ocsp_malformed';
const NOTHING_CRITICAL: ReadonlySet<string> = new Set();
const MAXIMUM_STATUSES = 16;
const MAXIMUM_CERTIFICATES = 4;
const REASON_HOLD = 6;
// Reasons of RFC 5280 section 5.3.1; 7 is not used, 8 takes a hold back and belongs in delta lists only.
const REASONS: ReadonlySet<number> = new Set([0, 1, 2, 3, 4, 5, 6, 9, 10]);

/**
 * Reads one answer. Every status must say until when it holds: "there is always something newer" is no end.
 * @throws EvidenceError `evidence_too_large`, `evidence_algorithm_unsupported` or `evidence_ocsp_malformed`, which includes
 *   an answer that is an error, such as tryLater.
 */
export function parseOcspResponse(der: Uint8Array): OcspResponse {
  if (der.length > OCSP_MAXIMUM_BYTES)
    throw new EvidenceError('evidence_too_large', `OCSP answer over ${OCSP_MAXIMUM_BYTES} octets`);
  const file = new DerReader(concat(der), MALFORMED);
  const response = file.enter(TAG.sequence);
  file.end();
  const { content: status } = response.take(TAG.enumerated);
  if (status.length !== 1 || status[0] !== 0) throw response.error('the responder gave no answer');
  const holder = response.enter(TAG.context0);
  response.end();
  const typed = holder.enter(TAG.sequence);
  holder.end();
  if (typed.takeOid() !== OID.basic) throw typed.error('not a basic answer');
  const inner = new DerReader(typed.take(TAG.octetString).content, MALFORMED);
  typed.end();
  return readBasic(inner);
}

function readBasic(file: DerReader): OcspResponse {
  const basic = file.enter(TAG.sequence);
  file.end();
  const tbsValue = basic.take(TAG.sequence);
  const algorithm = basic.take(TAG.sequence);
  VENDOR_ALGORITHM.nvidia.read(new DerReader(algorithm.whole, MALFORMED));
  const signature = VENDOR_ALGORITHM.nvidia.signature(basic.takeBits(), MALFORMED);
  const certificates = basic.nextTag === TAG.context0 ? readCertificates(basic.enter(TAG.context0)) : [];
  basic.end();

  const tbs = basic.within(tbsValue);
  const responder = readResponder(tbs);
  const producedAt = takeGeneralizedTime(tbs);
  const statuses = readStatuses(tbs.enter(TAG.sequence));
  const extensions =
    tbs.nextTag === TAG.context1 ? readExtensions(tbs.enter(TAG.context1), NOTHING_CRITICAL) : new Map();
  tbs.end();
  const nonce = extensions.get(OID.nonce)?.value;
  return {
    tbs: tbsValue.whole,
    signature,
    responder,
    producedAt,
    statuses,
    nonce: nonce && readNonce(nonce),
    certificates,
  };
}

function readResponder(tbs: DerReader): OcspResponse['responder'] {
  // The default version is not written in DER, so a version here would be another one.
  if (tbs.nextTag === TAG.context1) {
    const holder = tbs.enter(TAG.context1);
    const { whole } = holder.take(TAG.sequence);
    holder.end();
    return { name: whole };
  }
  const holder = tbs.enter(TAG.context2);
  const { content } = holder.take(TAG.octetString);
  holder.end();
  if (content.length !== 20) throw tbs.error('key hash of another length');
  return { keyHash: content };
}

function readStatuses(all: DerReader): readonly SingleStatus[] {
  const statuses: SingleStatus[] = [];
  while (!all.done) {
    if (statuses.length === MAXIMUM_STATUSES) throw all.error('too many statuses');
    const read = readStatus(all.enter(TAG.sequence));
    // Two words on one certificate: which one counts would be a choice.
    const twice = statuses.some(
      (other) => other.serial === read.serial && equalBytes(other.issuerKeyHash, read.issuerKeyHash),
    );
    if (twice) throw all.error('two statuses of one certificate');
    statuses.push(read);
  }
  if (statuses.length === 0) throw all.error('no status');
  return statuses;
}

function readStatus(single: DerReader): SingleStatus {
  const id = single.enter(TAG.sequence);
  const hash = id.enter(TAG.sequence);
  if (hash.takeOid() !== OID.sha384) throw hash.error('id in another hash');
  const parameter = hash.takeOptional(TAG.null);
  if (parameter && parameter.content.length > 0) throw hash.error('hash with parameters');
  hash.end();
  const [issuerNameHash, issuerKeyHash] = [
    id.take(TAG.octetString).content,
    id.take(TAG.octetString).content,
  ];
  if (issuerNameHash.length !== 48 || issuerKeyHash.length !== 48) throw id.error('hash of another length');
  const serial = toHex(id.takeUnsigned()).replace(/^0+/, '') || '0';
  id.end();
  const status = readCertStatus(single);
  const thisUpdate = takeGeneralizedTime(single);
  const end = single.enter(TAG.context0);
  const nextUpdate = takeGeneralizedTime(end);
  end.end();
  if (single.nextTag === TAG.context1) readExtensions(single.enter(TAG.context1), NOTHING_CRITICAL);
  single.end();
  return { issuerNameHash, issuerKeyHash, serial, status, thisUpdate, nextUpdate };
}

const TAG_GOOD = 0x80;
const TAG_REVOKED = TAG.context1;
const TAG_UNKNOWN = 0x82;

function readCertStatus(single: DerReader): SingleStatus['status'] {
  const tag = single.nextTag;
  if (tag === TAG_REVOKED) {
    const revoked = single.enter(TAG_REVOKED);
    takeGeneralizedTime(revoked);
    if (revoked.done) return 'revoked';
    const holder = revoked.enter(TAG.context0);
    const { content } = holder.take(TAG.enumerated);
    holder.end();
    revoked.end();
    const reason = content[0];
    if (content.length !== 1 || reason === undefined || !REASONS.has(reason))
      throw revoked.error('unknown reason');
    return reason === REASON_HOLD ? 'hold' : 'revoked';
  }
  if (tag !== TAG_GOOD && tag !== TAG_UNKNOWN) throw single.error('unknown status');
  if (single.take(tag).content.length > 0) throw single.error('status with a content');
  return tag === TAG_GOOD ? 'good' : 'unknown';
}

function readCertificates(holder: DerReader): readonly Bytes[] {
  const all = holder.enter(TAG.sequence);
  holder.end();
  const certificates: Bytes[] = [];
  while (!all.done) {
    if (certificates.length === MAXIMUM_CERTIFICATES) throw all.error('too many certificates');
    certificates.push(all.take(TAG.sequence).whole);
  }
  return certificates;
}

// RFC 8954 section 2.1: the extension's content is an OCTET STRING of 1 to 32 octets.
function readNonce(value: Bytes): Bytes {
  const reader = new DerReader(value, MALFORMED);
  const { content } = reader.take(TAG.octetString);
  reader.end();
  if (content.length < 1 || content.length > 32) throw reader.error('nonce of another length');
  return content;
}

function takeGeneralizedTime(reader: DerReader): Date {
  if (reader.nextTag !== TAG.generalizedTime) throw reader.error('not a GeneralizedTime');
  return reader.takeTime();
}
