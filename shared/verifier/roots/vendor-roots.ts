// The keys that hardware vendors answer for, as a value: the verifier fetches none and reads none from its surroundings.

import type { SnpProduct } from '../../evidence/tcb.ts';

/** Keys whose word makes evidence count as hardware. */
export interface VendorRoots {
  readonly amd: readonly {
    readonly product: SnpProduct;
    /** Lower-case hex. */
    readonly spkiSha256: string;
  }[];
  /** Intel's. Absent: none is trusted, and no TDX evidence passes. */
  readonly intel?: readonly {
    /** Lower-case hex. */
    readonly spkiSha256: string;
  }[];
  /** Roots of NVIDIA's device identities, lower-case hex SHA-256 of the SubjectPublicKeyInfo. Absent: no GPU is trusted. */
  readonly nvidia?: readonly string[];
}
