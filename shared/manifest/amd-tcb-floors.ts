// Lowest patch levels that AMD's bulletins ask for, as data with their source. Whoever writes a manifest starts from these and checks them.

import type { TcbFloor } from './snp-reference-value.ts';

/** Floors of one CPU out of one bulletin. */
export interface PublishedFloor {
  /** As in `minimum_tcb`: 0 where the bulletin asks for nothing. */
  readonly floor: TcbFloor;
  /** AMD's bulletin and what it is about. */
  readonly source: string;
  /** When the value was written down here: a date of this file, not of the bulletin. */
  readonly recorded: string;
  /** `told`: quoted from a third party and not compared with the bulletin yet. */
  readonly standing: 'told' | 'read';
}

// CPUID of the parts (AMD 57230 and captured reports): stepping 2 of Genoa is Genoa-X, whose microcode counts for itself. Siena and
// Bergamo (models 0xa0 to 0xaf) have series of their own, for which no floor is known: a CPU without one is refused.
const MILAN = { family: 0x19, model: 0x01, stepping: 1 } as const;
const GENOA = { family: 0x19, model: 0x11, stepping: 1 } as const;
const GENOA_X = { family: 0x19, model: 0x11, stepping: 2 } as const;
const TURIN = { family: 0x1a, model: 0x02, stepping: 1 } as const;

const RECORDED = '2026-11-23';
const ENTRY_SIGN = 'AMD-SB-3019 (EntrySign, CVE-2024-56161)';
const RMPOCALYPSE = 'AMD-SB-3020 (RMPocalypse, CVE-2025-0033)';
const STACK_WARP = 'AMD-SB-3027 (StackWarp, CVE-2025-29943)';

/**
 * The bulletins' floors. Milan is among them for those who accept it at all: the seed of its keys can be extracted by software
 * (AMD-SB-3045), and no floor helps against a chip whose seed is out, so a policy has to say `accept_milan` as well.
 */
export const AMD_TCB_FLOORS: readonly PublishedFloor[] = [
  told(ENTRY_SIGN, MILAN, { boot_loader: 4, snp: 0x18, microcode: 0xdb }),
  told(ENTRY_SIGN, GENOA, { snp: 0x17, microcode: 0x54 }),
  told(ENTRY_SIGN, GENOA_X, { snp: 0x17, microcode: 0x4f }),
  told(RMPOCALYPSE, GENOA, { snp: 0x1b, microcode: 0x56 }),
  told(RMPOCALYPSE, GENOA_X, { snp: 0x1b, microcode: 0x51 }),
  told(RMPOCALYPSE, TURIN, { snp: 0x04, microcode: 0x50 }),
  told(STACK_WARP, GENOA, { microcode: 0x56 }),
  told(STACK_WARP, GENOA_X, { microcode: 0x51 }),
  told(STACK_WARP, TURIN, { microcode: 0x51 }),
];

/** For each CPU the highest of all its floors, component by component: what `minimum_tcb` takes. */
export function combinedFloors(published: readonly PublishedFloor[] = AMD_TCB_FLOORS): readonly TcbFloor[] {
  const combined: TcbFloor[] = [];
  for (const { floor } of published) {
    const at = combined.findIndex(({ cpu }) => isSameCpu(cpu, floor.cpu));
    const before = combined[at];
    if (!before) combined.push(floor);
    else
      combined[at] = {
        cpu: floor.cpu,
        fmc: Math.max(before.fmc, floor.fmc),
        boot_loader: Math.max(before.boot_loader, floor.boot_loader),
        tee: Math.max(before.tee, floor.tee),
        snp: Math.max(before.snp, floor.snp),
        microcode: Math.max(before.microcode, floor.microcode),
      };
  }
  return combined;
}

function isSameCpu(one: TcbFloor['cpu'], other: TcbFloor['cpu']): boolean {
  return one.family === other.family && one.model === other.model && one.stepping === other.stepping;
}

function told(source: string, cpu: TcbFloor['cpu'], levels: Partial<Omit<TcbFloor, 'cpu'>>): PublishedFloor {
  const floor = { cpu, fmc: 0, boot_loader: 0, tee: 0, snp: 0, microcode: 0, ...levels };
  return { floor, source, recorded: RECORDED, standing: 'told' };
}
