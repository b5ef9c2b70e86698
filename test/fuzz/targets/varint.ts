// Fuzzes varints: every encoding has a value, and the shortest encoding of it means the same.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { decodeVarint, encodeVarint, varintLength } from '../../../shared/sealing/varint.ts';
import { must } from './allow.ts';

export function fuzz(input: Bytes): void {
  const first = input[0];
  if (first === undefined || input.length < varintLength(first)) return;
  const value = decodeVarint(input.subarray(0, varintLength(first)));
  if (!Number.isSafeInteger(value)) {
    must(value >= 2 ** 53, 'a value that is no length');
    return;
  }
  const shortest = encodeVarint(value);
  must(shortest.length <= varintLength(first), 'the shortest encoding is longer');
  must(decodeVarint(shortest) === value, 'the shortest encoding means something else');
}
