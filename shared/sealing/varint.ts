// Variable-length integers (RFC 9000 section 16), as chunked OHTTP and binary HTTP frame with.

import type { Bytes } from '../bytes/concat.ts';

/**
 * The shortest encoding of a value.
 * @throws RangeError outside 0 to 2^53-1 (the format's 2^62-1 is beyond any length that we write).
 */
export function encodeVarint(value: number): Bytes {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError('a varint is a safe integer, not negative');
  if (value < 0x40) return Uint8Array.of(value);
  if (value < 0x4000) return Uint8Array.of(0x40 | (value >> 8), value & 0xff);
  const wide = value >= 0x4000_0000;
  const octets = new Uint8Array(wide ? 8 : 4);
  const view = new DataView(octets.buffer);
  if (wide) {
    view.setUint32(0, Math.floor(value / 2 ** 32) + 0xc000_0000);
    view.setUint32(4, value >>> 0);
  } else view.setUint32(0, value + 0x8000_0000);
  return octets;
}

/** How many octets the integer has that starts with this one: 1, 2, 4 or 8. */
export function varintLength(first: number): 1 | 2 | 4 | 8 {
  return (1 << (first >> 6)) as 1 | 2 | 4 | 8;
}

/**
 * The value of a whole encoding, minimal or not. A value above 2^53 comes out rounded, which is still above every limit
 * that it is compared with.
 */
export function decodeVarint(octets: Uint8Array): number {
  return finishVarint(octets[0] as number, octets.subarray(1));
}

/** The same, when the first octet was read on its own. */
export function finishVarint(first: number, rest: Uint8Array): number {
  let value = first & 0x3f;
  for (let i = 0; i < rest.length; i++) value = value * 256 + (rest[i] as number);
  return value;
}
