// The one error of this room: a document that is not what it has to be, or is not signed as it has to be, with every reason at once.

import type { Problem } from '../bytes/shape.ts';

/** Closed set. */
export type ManifestErrorCode =
  | 'manifest_malformed'
  | 'deployment_malformed'
  | 'release_policy_malformed'
  | 'signatures_malformed'
  /** A signature beside the manifest is not that key's over that manifest. */
  | 'signature_invalid'
  | 'log_proof_malformed';

/** A document that was refused. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
  readonly code: ManifestErrorCode;
  /** Everything that is wrong, with paths such as `reference_values.worker[0].vmpl`. */
  readonly problems: readonly Problem[];
  constructor(code: ManifestErrorCode, problems: readonly Problem[]) {
    const lines = problems.map(({ path, message }) => `${path === '' ? 'document' : path} ${message}`);
    super(`${code}: ${lines.join('; ')}`);
    this.code = code;
    this.problems = problems;
  }
}
