import { expect, it } from 'vitest';
import { POST_QUANTUM_KEMS, readKemIds } from '../../../shared/wire/key-list-kems.ts';

const entry = (kem: number, length = 5) => [0, length, 7, kem >> 8, kem & 0xff, 1, 2];

it('reads the KEM id of every configuration, also out of the middle of a buffer', () => {
  const octets = Uint8Array.from([9, ...entry(0x647a), ...entry(0x0020)]).subarray(1);
  expect(readKemIds(octets)).toEqual([0x647a, 0x0020]);
  expect(POST_QUANTUM_KEMS.has(0x647a)).toBe(true);
});

it('says nothing about a list that is not whole', () => {
  for (const octets of [
    [],
    [0],
    entry(0x20).slice(0, -1),
    [...entry(0x20), 0],
    entry(0x20, 6),
    [0, 2, 1, 2],
    [0, 0],
  ])
    expect(readKemIds(Uint8Array.from(octets))).toBeUndefined();
});
