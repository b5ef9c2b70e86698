// TCB_VERSION: eight octets of security patch levels, in two layouts that only the CPU family tells apart.

import type { Bytes } from '../bytes/concat.ts';

/** Product as AMD's key distribution names it. Bergamo and Siena are Genoa. */
export type SnpProduct = 'Milan' | 'Genoa' | 'Turin';

/** Patch levels, 0 to 255 each. `fmc` exists on Turin only and is 0 elsewhere. */
export interface Tcb {
  readonly fmc: number;
  readonly bootLoader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
}

/** The components in the order in which people read them. */
export const TCB_COMPONENTS = ['fmc', 'bootLoader', 'tee', 'snp', 'microcode'] as const;

/**
 * Decodes eight octets with the product's layout, or undefined when an octet without meaning in it is set (AMD SEV-SNP
 * ABI, TCB_VERSION).
 */
export function decodeTcb(octets: Bytes, product: SnpProduct): Tcb | undefined {
  const [b0 = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0, b6 = 0, b7 = 0] = octets;
  if (product === 'Turin')
    return b4 | b5 | b6 ? undefined : { fmc: b0, bootLoader: b1, tee: b2, snp: b3, microcode: b7 };
  return b2 | b3 | b4 | b5 ? undefined : { fmc: 0, bootLoader: b0, tee: b1, snp: b6, microcode: b7 };
}

/** Whether every component is at least the floor's. As one integer the comparison would be wrong: the order is partial. */
export function tcbAtLeast(tcb: Tcb, floor: Tcb): boolean {
  return TCB_COMPONENTS.every((component) => tcb[component] >= floor[component]);
}

/** Whether all components are equal. */
export function tcbEqual(a: Tcb, b: Tcb): boolean {
  return TCB_COMPONENTS.every((component) => a[component] === b[component]);
}

/** One line for people. */
export function describeTcb(tcb: Tcb): string {
  return TCB_COMPONENTS.map((component) => `${component} ${tcb[component]}`).join(', ');
}
