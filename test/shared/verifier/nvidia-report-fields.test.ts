// The fields of a GPU's report: texts with their end, versions and flags in one form, each bound on both sides.

import { expect, it } from 'vitest';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { gpuNonceOf, type NvidiaReport, parseNvidiaReport } from '../../../shared/evidence/nvidia-report.ts';
import { makeReport } from './nvidia-fixture.ts';

const text = (value: string, zeros = 1): Bytes => concat(toUtf8(value), new Uint8Array(zeros));

function read(type: number, value: Bytes): NvidiaReport | string {
  try {
    return parseNvidiaReport(makeReport({ fields: new Map([[type, value]]) }));
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    expect(error.code).toBe('evidence_gpu_report_malformed');
    return error.detail;
  }
}

it.each([
  ['driver', 3],
  ['chip SKU', 15],
  ['project', 17],
  ['project SKU', 18],
] as const)('%s is a text with its end, of a known form and nothing else', (_, type) => {
  const sound = type === 3 ? '550.144.03' : '1010';
  expect(read(type, text(sound))).toMatchObject({ protectedPcie: false });
  expect(read(type, text(sound, 32 - sound.length))).toMatchObject({ protectedPcie: false });
  expect(read(type, text(sound, 33 - sound.length))).toBe('text field missing');
  expect(read(type, toUtf8(sound))).toBe('text field without its end');
  expect(read(type, concat(text(sound), Uint8Array.of(0x31)))).toBe('text field without its end');
  for (const wrong of ['', ` ${sound}`, `${sound} `, `x${sound}`, `${sound}x`, `${sound}\u007f`])
    if (type === 3 || !/^[0-9A-Z]+$/.test(wrong))
      expect(read(type, text(wrong))).toBe('text field in another form');
  expect(read(type, concat(Uint8Array.of(0xc3, 0xa9), text(sound)))).toBe('text field in another form');
  expect(read(type, concat(Uint8Array.of(0xff), text(sound)))).toBe('text field in another form');
});

it('names of boards have at most 16 characters, versions at most four numbers of at most four digits', () => {
  for (const type of [15, 17, 18]) {
    expect(read(type, text('A'.repeat(16)))).toMatchObject({ protectedPcie: false });
    expect(read(type, text('A'.repeat(17)))).toBe('text field in another form');
  }
  for (const driver of ['1.2', '1.2.3.4', '9999.9999'])
    expect(read(3, text(driver))).toMatchObject({ driverVersion: driver });
  for (const driver of ['1', '1.2.3.4.5', '10000.1', '1.', '1..2'])
    expect(read(3, text(driver))).toBe('text field in another form');
});

it('the VBIOS version has eight octets, the last three zero', () => {
  expect(read(6, Uint8Array.of(0, 0x9f, 0, 0x96, 2, 0, 0, 0))).toMatchObject({
    vbiosVersion: '96.00.9F.00.02',
  });
  for (const value of [
    new Uint8Array(7),
    new Uint8Array(9),
    new Uint8Array(),
    Uint8Array.of(0, 0x9f, 0, 0x96, 2, 1, 0, 0),
    Uint8Array.of(0, 0x9f, 0, 0x96, 2, 0, 0, 1),
  ])
    expect(read(6, value)).toBe('VBIOS version in another form');
});

it('protected PCIe is on or off, the feature 0 to 2, and either of them says it', () => {
  expect(read(21, Uint8Array.of(0xaa))).toMatchObject({ protectedPcie: true });
  expect(read(21, Uint8Array.of(0x55))).toMatchObject({ protectedPcie: false });
  for (const value of [Uint8Array.of(0), new Uint8Array(), Uint8Array.of(0x55, 0x55), Uint8Array.of(0xaa, 0)])
    expect(read(21, value)).toBe('protected PCIe neither on nor off');
  for (const feature of [0, 1, 2])
    expect(read(36, Uint8Array.of(feature, 0))).toMatchObject({ protectedPcie: feature === 2 });
  for (const value of [
    Uint8Array.of(3, 0),
    Uint8Array.of(0, 1),
    Uint8Array.of(0),
    Uint8Array.of(2, 0, 0),
    new Uint8Array(),
  ])
    expect(read(36, value)).toBe('unknown feature flag');
});

it('a firmware id has 48 octets', () => {
  expect(read(20, new Uint8Array(48))).toMatchObject({ fwid: new Uint8Array(48) });
  for (const length of [0, 47, 49]) expect(read(20, new Uint8Array(length))).toBe('FWID of another length');
});

it('a nonce is made of two values of 32 octets', async () => {
  const [one, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  expect(await gpuNonceOf(one, other)).not.toEqual(await gpuNonceOf(other, one));
  const refused = async (a: Bytes, b: Bytes) =>
    expect(async () => gpuNonceOf(a, b)).rejects.toThrow(RangeError);
  await refused(new Uint8Array(31), new Uint8Array(32));
  await refused(new Uint8Array(32), new Uint8Array(33));
});
