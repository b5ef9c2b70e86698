// A copy of a length check with a bug planted in it, to show that the fuzzer finds one: three conditions deep, an unchecked length.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { decodeVarint, varintLength } from '../../../shared/sealing/varint.ts';
import { must } from './allow.ts';

export function fuzz(input: Bytes): void {
  let at = 0;
  for (let chunks = 0; at < input.length; chunks++) {
    const octets = varintLength(input[at] as number);
    if (input.length - at < octets) return;
    const length = decodeVarint(input.subarray(at, at + octets));
    at += octets;
    if (length === 0) return;
    // Planted: from the third chunk on, a length in its four-octet form is believed.
    if (chunks < 2 || octets !== 4) if (length <= 2 || length > input.length - at) return;
    at += length;
    must(at <= input.length, 'the planted bug: read beyond the end');
  }
}
