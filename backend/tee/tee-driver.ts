// What a trusted execution environment does for a node: vouch for 64 octets.

import type { Bytes } from '../../shared/bytes/concat.ts';
import type { SnpEvidence } from '../../shared/evidence/bundle.ts';

/** One per process. Quotes are slow and serialised by the hardware, so callers ask once per key epoch. */
export interface TeeDriver {
  readonly kind: 'sev-snp';
  /** `simulated` evidence protects nothing; it exists so that everything else can be real. */
  readonly assurance: 'hardware' | 'simulated';
  /**
   * Evidence over `reportData`, with every endorsement that verifying it offline takes.
   * @throws RangeError unless `reportData` has 64 octets.
   */
  attest(reportData: Bytes): Promise<SnpEvidence>;
}
