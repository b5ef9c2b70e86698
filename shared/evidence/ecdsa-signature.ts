// ECDSA signatures and algorithm identifiers of certificates (RFC 5758 section 3.2, RFC 3279 section 2.2.3).

import type { Bytes } from '../bytes/concat.ts';
import { DerReader, TAG } from './der.ts';
import { EvidenceError, type EvidenceErrorCode } from './evidence-error.ts';

const OID_ECDSA_SHA256 = '1.2.840.10045.4.3.2';
const OID_ECDSA_SHA384 = '1.2.840.10045.4.3.3';

/**
 * Reads an AlgorithmIdentifier and refuses all but ecdsa-with-SHA256, whose parameters are absent.
 * @throws EvidenceError `evidence_algorithm_unsupported`, or the reader's code when it is not DER.
 */
export function readEcdsaSha256Algorithm(parent: DerReader): void {
  readAlgorithm(parent, OID_ECDSA_SHA256, 'signature is not ECDSA with SHA-256');
}

/**
 * Reads an AlgorithmIdentifier and refuses all but ecdsa-with-SHA384, whose parameters are absent.
 * @throws EvidenceError `evidence_algorithm_unsupported`, or the reader's code when it is not DER.
 */
export function readEcdsaSha384Algorithm(parent: DerReader): void {
  readAlgorithm(parent, OID_ECDSA_SHA384, 'signature is not ECDSA with SHA-384');
}

/**
 * An Ecdsa-Sig-Value as r ‖ s, each big-endian in so many octets: what WebCrypto takes.
 * @throws EvidenceError with the given code when it is not DER or an integer does not fit.
 */
export function readEcdsaSignature(der: Bytes, integerOctets: number, code: EvidenceErrorCode): Bytes {
  const file = new DerReader(der, code);
  const pair = file.enter(TAG.sequence);
  file.end();
  const signature = new Uint8Array(2 * integerOctets);
  for (const end of [integerOctets, 2 * integerOctets]) {
    const integer = pair.takeUnsigned(integerOctets);
    signature.set(integer, end - integer.length);
  }
  pair.end();
  return signature;
}

function readAlgorithm(parent: DerReader, oid: string, otherwise: string): void {
  const algorithm = parent.enter(TAG.sequence);
  if (algorithm.takeOid() !== oid) throw new EvidenceError('evidence_algorithm_unsupported', otherwise);
  algorithm.end();
}
