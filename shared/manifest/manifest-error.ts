// The one error of this room: a document that is not a manifest or a deployment, with every reason at once.

import type { Problem } from '../bytes/shape.ts';

/** A manifest or deployment that was refused. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
  readonly code: 'manifest_malformed' | 'deployment_malformed';
  /** Everything that is wrong, with paths such as `reference_values.worker[0].vmpl`. */
  readonly problems: readonly Problem[];
  constructor(code: 'manifest_malformed' | 'deployment_malformed', problems: readonly Problem[]) {
    const lines = problems.map(({ path, message }) => `${path === '' ? 'document' : path} ${message}`);
    super(`${code}: ${lines.join('; ')}`);
    this.code = code;
    this.problems = problems;
  }
}
