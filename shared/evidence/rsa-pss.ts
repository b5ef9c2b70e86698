// The one signature algorithm of AMD's certificates: RSASSA-PSS, SHA-384, MGF1 with SHA-384, salt 48. Read and compared.

import type { DerReader } from './der.ts';
import { TAG } from './der.ts';
import { EvidenceError } from './evidence-error.ts';

const OID = {
  rsassaPss: '1.2.840.113549.1.1.10',
  mgf1: '1.2.840.113549.1.1.8',
  sha384: '2.16.840.1.101.3.4.2.2',
} as const;

/** Octets of the salt. */
export const PSS_SALT_BYTES = 48;

/**
 * Reads an AlgorithmIdentifier and refuses all but the one above (RFC 4055 section 3.1). The defaults of the ASN.1
 * module are SHA-1 and salt 20, so an absent parameter is another algorithm, except for trailerField, whose only value
 * is its default.
 * @throws EvidenceError `evidence_algorithm_unsupported`, or the reader's code when it is not DER.
 */
export function readPssAlgorithm(parent: DerReader): void {
  const algorithm = parent.enter(TAG.sequence);
  if (algorithm.takeOid() !== OID.rsassaPss) throw unsupported('signature is not RSASSA-PSS');
  const parameters = algorithm.enter(TAG.sequence);
  algorithm.end();

  const hash = explicit(parameters, TAG.context0, 'PSS hash is not SHA-384');
  readSha384(hash, 'PSS hash is not SHA-384');
  hash.end();

  const maskHolder = explicit(parameters, TAG.context1, 'PSS mask is not MGF1 with SHA-384');
  const mask = maskHolder.enter(TAG.sequence);
  maskHolder.end();
  if (mask.takeOid() !== OID.mgf1) throw unsupported('PSS mask is not MGF1 with SHA-384');
  readSha384(mask, 'PSS mask is not MGF1 with SHA-384');
  mask.end();

  const salt = explicit(parameters, TAG.context2, 'PSS salt is not 48 octets');
  if (salt.takeSmallInteger() !== PSS_SALT_BYTES) throw unsupported('PSS salt is not 48 octets');
  salt.end();

  if (parameters.nextTag === TAG.context3) {
    const trailer = parameters.enter(TAG.context3);
    if (trailer.takeSmallInteger() !== 1) throw unsupported('PSS trailer is not 1');
    trailer.end();
  }
  parameters.end();
}

function explicit(parameters: DerReader, tag: number, detail: string): DerReader {
  if (parameters.nextTag !== tag) throw unsupported(detail);
  return parameters.enter(tag);
}

function readSha384(parent: DerReader, detail: string): void {
  const hash = parent.enter(TAG.sequence);
  if (hash.takeOid() !== OID.sha384) throw unsupported(detail);
  const parameter = hash.takeOptional(TAG.null);
  if (parameter && parameter.content.length > 0) throw unsupported(detail);
  hash.end();
}

function unsupported(detail: string): EvidenceError {
  return new EvidenceError('evidence_algorithm_unsupported', detail);
}
