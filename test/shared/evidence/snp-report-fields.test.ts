// Every field of an SNP report is read from its own octets and bits, and from no others.

import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  parseSnpReport,
  productOf,
  readTcbs,
  SNP_REPORT_BYTES,
} from '../../../shared/evidence/snp-report.ts';
import { describeTcb, tcbEqual } from '../../../shared/evidence/tcb.ts';

function report(change: (view: DataView) => void = () => {}, version = 5) {
  const view = new DataView(new ArrayBuffer(SNP_REPORT_BYTES));
  view.setUint32(0, version, true);
  view.setBigUint64(8, 1n << 17n, true);
  view.setUint32(0x34, 1, true);
  change(view);
  return parseSnpReport(new Uint8Array(view.buffer));
}
const blank = report();

/** Names of the members in which two objects differ. */
function differences(one: object, other: object): readonly string[] {
  return Object.keys(one).filter((key) => !isDeepStrictEqual(Reflect.get(one, key), Reflect.get(other, key)));
}

describe('bits', () => {
  const POLICY = [
    [16, 'smtAllowed'],
    [18, 'migrateMa'],
    [19, 'debug'],
    [20, 'singleSocket'],
    [21, 'cxlAllowed'],
    [22, 'memAes256Xts'],
    [23, 'raplDisabled'],
    [24, 'ciphertextHiding'],
    [25, 'pageSwapDisabled'],
  ] as const;
  it.each(POLICY)('policy bit %i is %s', (bit, name) => {
    const { policy } = report((view) => view.setBigUint64(8, (1n << 17n) | (1n << BigInt(bit)), true));
    expect(policy[name]).toBe(true);
    expect(blank.policy[name]).toBe(false);
    expect(differences(policy, blank.policy)).toEqual([name]);
  });
  it('the ABI is in the first two octets of the policy', () => {
    const { policy } = report((view) => view.setBigUint64(8, (1n << 17n) | 0x0137n, true));
    expect([policy.abiMajor, policy.abiMinor]).toEqual([1, 0x37]);
  });
  const PLATFORM = [
    'smtEnabled',
    'tsmeEnabled',
    'eccEnabled',
    'raplDisabled',
    'ciphertextHiding',
    'aliasCheckComplete',
    'iommuWriteSafe',
    'tioEnabled',
  ] as const;
  it.each(PLATFORM.map((name, bit) => [bit, name] as const))('platform bit %i is %s', (bit, name) => {
    const { platform } = report((view) => view.setBigUint64(0x40, 1n << BigInt(bit), true));
    expect(platform[name]).toBe(true);
    expect(blank.platform[name]).toBe(false);
    expect(differences(platform, blank.platform)).toEqual([name]);
  });
  it('other platform bits are kept as unknown', () => {
    expect(blank.platform.unknownBits).toBe('0');
    expect(report((view) => view.setBigUint64(0x40, 0x1ffn, true)).platform.unknownBits).toBe('100');
    expect(report((view) => view.setBigUint64(0x40, 1n << 63n, true)).platform.unknownBits).toBe(
      '8000000000000000',
    );
  });
  it('key information tells author, mask and kind of key', () => {
    const info = (value: number) => report((view) => view.setUint32(0x48, value, true));
    expect(differences(info(1), blank)).toContain('authorKeyEnabled');
    expect([info(1).authorKeyEnabled, info(2).authorKeyEnabled]).toEqual([true, false]);
    expect([info(1).maskChipKey, info(2).maskChipKey]).toEqual([false, true]);
    expect([info(0), info(4), info(28)].map(({ signingKey }) => signingKey)).toEqual([
      'vcek',
      'vlek',
      'none',
    ]);
  });
});

describe('fields', () => {
  const FIELDS = [
    ['familyId', 0x010, 16],
    ['imageId', 0x020, 16],
    ['reportData', 0x050, 64],
    ['measurement', 0x090, 48],
    ['hostData', 0x0c0, 32],
    ['idKeyDigest', 0x0e0, 48],
    ['authorKeyDigest', 0x110, 48],
    ['reportId', 0x140, 32],
    ['reportIdMa', 0x160, 32],
    ['chipId', 0x1a0, 64],
    ['currentTcb', 0x038, 8],
    ['reportedTcb', 0x180, 8],
    ['committedTcb', 0x1e0, 8],
    ['launchTcb', 0x1f0, 8],
  ] as const;
  it.each(FIELDS)('%s', (name, offset, length) => {
    const octets = Uint8Array.from({ length }, (_, index) => index + 1);
    const read = report((view) => new Uint8Array(view.buffer).set(octets, offset));
    expect(read[name]).toEqual(octets);
    expect([...differences(read, blank)].sort()).toEqual([name, 'signed'].sort());
  });

  it('numbers are little-endian, each in its place', () => {
    const read = report((view) => {
      view.setUint32(4, 0x01020304, true);
      view.setUint32(0x30, 3, true);
      new Uint8Array(view.buffer).set([0x19, 0x11, 1], 0x188);
      new Uint8Array(view.buffer).set([2, 58, 1], 0x1e8);
      new Uint8Array(view.buffer).set([3, 59, 4], 0x1ec);
      view.setBigUint64(0x1f8, 0x16n, true);
      view.setBigUint64(0x200, 0xbn, true);
    });
    expect(read).toMatchObject({
      version: 5,
      guestSvn: 0x01020304,
      vmpl: 3,
      cpu: { family: 0x19, model: 0x11, stepping: 1 },
      currentVersion: { major: 1, minor: 58, build: 2 },
      committedVersion: { major: 4, minor: 59, build: 3 },
      launchMitigations: 0x16n,
      currentMitigations: 0xbn,
    });
    expect(read.signed.length).toBe(0x2a0);
  });
  it('version 2 names no processor, and does not mean family 0', () => {
    expect(report(() => {}, 2).cpu).toBeUndefined();
    for (const version of [3, 4, 5])
      expect(report(() => {}, version).cpu).toEqual({ family: 0, model: 0, stepping: 0 });
  });
});

it('products end where their models do', () => {
  const named = (family: number, model: number) => productOf({ family, model, stepping: 0 });
  const edges: readonly (readonly [number, number, string | undefined])[] = [
    [0x19, 0x00, 'Milan'],
    [0x19, 0x0f, 'Milan'],
    [0x19, 0x10, 'Genoa'],
    [0x19, 0x1f, 'Genoa'],
    [0x19, 0x9f, undefined],
    [0x19, 0xaf, 'Genoa'],
    [0x18, 0xa0, undefined],
    [0x1a, 0x00, 'Turin'],
    [0x1a, 0x1f, 'Turin'],
    [0x1a, 0x20, undefined],
    [0x1a, 0xa0, undefined],
    [0x1b, 0x00, undefined],
  ];
  for (const [family, model, product] of edges) expect(named(family, model)).toBe(product);
});

it('reads the four TCBs, each from its field', () => {
  const read = report((view) => {
    for (const [value, offset] of [0x38, 0x180, 0x1e0, 0x1f0].entries())
      new Uint8Array(view.buffer).set([value + 1, 0, 0, 0, 0, 0, 20 + value, 30 + value], offset);
  });
  const tcb = (value: number) => ({
    fmc: 0,
    bootLoader: value + 1,
    tee: 0,
    snp: 20 + value,
    microcode: 30 + value,
  });
  expect(readTcbs(read, 'Genoa')).toEqual({
    current: tcb(0),
    reported: tcb(1),
    committed: tcb(2),
    launch: tcb(3),
  });
});

it('TCBs are equal when every component is', () => {
  const tcb = { fmc: 1, bootLoader: 2, tee: 3, snp: 4, microcode: 5 };
  expect(tcbEqual(tcb, { ...tcb })).toBe(true);
  for (const component of ['fmc', 'bootLoader', 'tee', 'snp', 'microcode'] as const)
    expect(tcbEqual(tcb, { ...tcb, [component]: 9 })).toBe(false);
  expect(describeTcb(tcb)).toBe('fmc 1, bootLoader 2, tee 3, snp 4, microcode 5');
});
