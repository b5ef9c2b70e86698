// The keys that hardware vendors answer for, as a value: the verifier fetches none and reads none from its surroundings.

import type { SnpProduct } from '../../evidence/tcb.ts';

/** Keys whose word makes evidence count as hardware. */
export interface VendorRoots {
  readonly amd: readonly {
    readonly product: SnpProduct;
    /** Lower-case hex. */
    readonly spkiSha256: string;
  }[];
}
