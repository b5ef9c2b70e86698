// Intel's identity of the TD quoting enclave, version 2: which enclave may hold attestation keys, and what its versions are worth.

import type { Bytes } from '../bytes/concat.ts';
import { instant, integer, object, oneOf, type Shape } from '../bytes/shape.ts';
import { QE_IDENTITY_MAXIMUM_BYTES } from './evidence-bounds.ts';
import { hexOctets } from './intel-shapes.ts';
import { readJson } from './read-json.ts';
import { type SvnLevel, svnLevels } from './tcb-info.ts';

/** The document. The members are the JSON's own. */
export interface QeIdentity {
  readonly id: 'TD_QE';
  readonly version: 2;
  readonly issueDate: Date;
  readonly nextUpdate: Date;
  readonly tcbEvaluationDataNumber: number;
  readonly miscselect: Bytes;
  readonly miscselectMask: Bytes;
  readonly attributes: Bytes;
  readonly attributesMask: Bytes;
  readonly mrsigner: Bytes;
  readonly isvprodid: number;
  /** Best first. */
  readonly tcbLevels: readonly SvnLevel[];
}

const shape: Shape<QeIdentity> = object<QeIdentity>({
  id: oneOf('TD_QE'),
  version: oneOf(2),
  issueDate: instant,
  nextUpdate: instant,
  tcbEvaluationDataNumber: integer(0, 0xffffffff),
  miscselect: hexOctets(4),
  miscselectMask: hexOctets(4),
  attributes: hexOctets(16),
  attributesMask: hexOctets(16),
  mrsigner: hexOctets(32),
  isvprodid: integer(0, 65_535),
  tcbLevels: svnLevels,
});

/**
 * Reads the octets that are signed: the inner object, exactly as served.
 * @throws EvidenceError `evidence_too_large` or `evidence_collateral_malformed` with every problem.
 */
export function parseQeIdentity(octets: Uint8Array): QeIdentity {
  return readJson(octets, shape, QE_IDENTITY_MAXIMUM_BYTES, 'evidence_collateral_malformed');
}
