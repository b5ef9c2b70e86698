// The published floors: each with a source and a date, combined by the higher of each component, never across steppings.

import { expect, it } from 'vitest';
import { productOf } from '../../../shared/evidence/snp-report.ts';
import { AMD_TCB_FLOORS, combinedFloors } from '../../../shared/manifest/amd-tcb-floors.ts';

it('says for each where it is from, since when, and that nobody compared it yet', () => {
  for (const { source, recorded, standing, floor } of AMD_TCB_FLOORS) {
    expect(source).toMatch(/^AMD-SB-\d{4} \(.+, CVE-\d{4}-\d+\)$/);
    expect(recorded).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(standing).toBe('told');
    expect(productOf(floor.cpu)).toBeDefined();
  }
});

it('combines by component and keeps steppings apart', () => {
  const levels = combinedFloors().map(({ cpu, boot_loader, snp, microcode }) => [
    productOf(cpu),
    cpu.stepping,
    boot_loader,
    snp,
    microcode,
  ]);
  expect(levels).toEqual([
    ['Milan', 1, 4, 0x18, 0xdb],
    ['Genoa', 1, 0, 0x1b, 0x56],
    ['Genoa', 2, 0, 0x1b, 0x51],
    ['Turin', 1, 0, 4, 0x51],
  ]);
  const turned = combinedFloors([...AMD_TCB_FLOORS].reverse());
  for (const floor of combinedFloors()) expect(turned).toContainEqual(floor);
});

it('has no floor for Siena, whose microcode counts for itself', () => {
  expect(combinedFloors().some(({ cpu }) => cpu.model === 0xa0)).toBe(false);
});
