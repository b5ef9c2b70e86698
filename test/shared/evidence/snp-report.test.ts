import { expect, it } from 'vitest';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import {
  parseSnpReport,
  productOf,
  readTcbs,
  SNP_REPORT_BYTES,
} from '../../../shared/evidence/snp-report.ts';
import { decodeTcb, tcbAtLeast } from '../../../shared/evidence/tcb.ts';

/** The least that a report must say. */
function blank(version: number): DataView {
  const view = new DataView(new ArrayBuffer(SNP_REPORT_BYTES));
  view.setUint32(0, version, true);
  view.setBigUint64(8, 1n << 17n, true);
  view.setUint32(0x34, 1, true);
  return view;
}

function detailOf(version: number, change: (view: DataView) => void): string {
  const view = blank(version);
  change(view);
  try {
    parseSnpReport(new Uint8Array(view.buffer));
    return 'accepted';
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    expect(error.code).toBe('evidence_report_malformed');
    return error.detail;
  }
}

it('accepts versions 2 to 5 and no other', () => {
  for (const version of [2, 3, 4, 5]) expect(detailOf(version, () => {})).toBe('accepted');
  for (const version of [0, 1, 6, 7, 0xffffffff])
    expect(detailOf(version, () => {})).toBe('report version is not 2, 3, 4 or 5');
});

it('refuses another size', () => {
  for (const size of [0, SNP_REPORT_BYTES - 1, SNP_REPORT_BYTES + 1])
    expect(() => parseSnpReport(new Uint8Array(size))).toThrow('not 1184 octets');
});

it('refuses every reserved octet, each in the versions that reserve it', () => {
  const always = [
    [0x4c, 0x50],
    [0x18b, 0x1a0],
    [0x1eb, 0x1ec],
    [0x1ef, 0x1f0],
    [0x208, 0x2a0],
    [0x2d0, 0x2e8],
    [0x318, 0x4a0],
  ];
  for (const [from = 0, to = 0] of always)
    for (let offset = from; offset < to; offset++)
      expect(detailOf(5, (view) => view.setUint8(offset, 1))).toBe('reserved octet set');
  for (let offset = 0x1f8; offset < 0x208; offset++) {
    expect(detailOf(4, (view) => view.setUint8(offset, 1))).toBe('reserved octet set');
    expect(detailOf(5, (view) => view.setUint8(offset, 1))).toBe('accepted');
  }
  for (let offset = 0x188; offset < 0x18b; offset++) {
    expect(detailOf(2, (view) => view.setUint8(offset, 1))).toBe('reserved octet set');
    expect(detailOf(3, (view) => view.setUint8(offset, 1))).toBe('accepted');
  }
});

it('refuses reserved bits and values', () => {
  expect(detailOf(3, (view) => view.setUint32(0x34, 2, true))).toBe('signature algorithm is not ECDSA P-384');
  expect(detailOf(3, (view) => view.setBigUint64(8, 0n, true))).toBe('policy bit 17 is not set');
  expect(detailOf(3, (view) => view.setBigUint64(8, (1n << 17n) | (1n << 26n), true))).toBe(
    'reserved policy bit set',
  );
  expect(detailOf(3, (view) => view.setUint32(0x48, 1 << 5, true))).toBe('reserved key information set');
  expect(detailOf(3, (view) => view.setUint32(0x48, 2 << 2, true))).toBe('unknown signing key');
  expect(detailOf(3, (view) => view.setUint32(0x30, 4, true))).toBe('VMPL out of range');
  expect(detailOf(3, (view) => view.setUint32(0x30, 0xffffffff, true))).toBe('accepted');
  expect(detailOf(3, (view) => view.setUint32(0x48, 7 << 2, true))).toBe('accepted');
});

it('turns the little-endian signature around', () => {
  const view = blank(3);
  view.setUint8(0x2a0, 1);
  view.setUint8(0x2e8 + 47, 2);
  const { signature } = parseSnpReport(new Uint8Array(view.buffer));
  expect(signature.length).toBe(96);
  expect(signature[47]).toBe(1);
  expect(signature[48]).toBe(2);
});

it('knows products by CPUID', () => {
  const named = (family: number, model: number) => productOf({ family, model, stepping: 0 });
  expect([
    named(0x19, 0x01),
    named(0x19, 0x11),
    named(0x19, 0xa0),
    named(0x1a, 0x02),
    named(0x1a, 0x11),
  ]).toEqual(['Milan', 'Genoa', 'Genoa', 'Turin', 'Turin']);
  for (const [family, model] of [
    [0x19, 0x20],
    [0x19, 0xb0],
    [0x1a, 0x50],
    [0x17, 0x01],
  ] as const)
    expect(named(family, model)).toBeUndefined();
});

it('reads a TCB in the product’s layout and refuses octets that have no meaning in it', () => {
  const octets = Uint8Array.of(1, 2, 3, 4, 0, 0, 0, 8);
  expect(decodeTcb(octets, 'Turin')).toEqual({ fmc: 1, bootLoader: 2, tee: 3, snp: 4, microcode: 8 });
  expect(decodeTcb(octets, 'Genoa')).toBeUndefined();
  const genoa = Uint8Array.of(1, 2, 0, 0, 0, 0, 7, 8);
  expect(decodeTcb(genoa, 'Genoa')).toEqual({ fmc: 0, bootLoader: 1, tee: 2, snp: 7, microcode: 8 });
  expect(decodeTcb(genoa, 'Turin')).toBeUndefined();
  const view = blank(3);
  new Uint8Array(view.buffer).set(octets, 0x180);
  expect(() => readTcbs(parseSnpReport(new Uint8Array(view.buffer)), 'Milan')).toThrow(
    'TCB of another layout',
  );
});

it('compares TCBs by component, never as one number', () => {
  const floor = { fmc: 0, bootLoader: 4, tee: 0, snp: 20, microcode: 100 };
  expect(tcbAtLeast(floor, floor)).toBe(true);
  for (const component of ['bootLoader', 'snp', 'microcode'] as const)
    expect(tcbAtLeast({ ...floor, fmc: 9, tee: 9, [component]: floor[component] - 1 }, floor)).toBe(false);
});
