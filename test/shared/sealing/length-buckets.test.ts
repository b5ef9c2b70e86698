// Length buckets: few lengths, a stated price, and padding that every reader of binary HTTP takes.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBhttpRequest, encodeBhttpRequest } from '../../../shared/sealing/bhttp-request.ts';
import { lengthBucket, MESSAGE_BUCKETS, padMessage } from '../../../shared/sealing/length-buckets.ts';

const KIB = 1024;
const buckets = fc.record({
  floor: fc.integer({ min: 3, max: 13 }).map((power) => 2 ** power),
  stepsPerDoubling: fc.constantFrom(1, 2, 4, 8),
});

describe('length buckets', () => {
  it('are these for messages', () => {
    const of = (octets: number) => lengthBucket(octets, MESSAGE_BUCKETS);
    expect([0, 1, 1024, 1025, 1280, 1281, 2048, 2049].map(of)).toEqual([
      KIB,
      KIB,
      KIB,
      1280,
      1280,
      1536,
      2 * KIB,
      2560,
    ]);
  });

  it('hold what they are for, add at most the stated share, and stay when applied again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 24 }), buckets, (octets, rule) => {
        const bucket = lengthBucket(octets, rule);
        expect(bucket).toBeGreaterThanOrEqual(octets);
        if (octets > rule.floor) expect(bucket - octets).toBeLessThan(octets / rule.stepsPerDoubling);
        expect(lengthBucket(bucket, rule)).toBe(bucket);
      }),
    );
  });

  it('grow with the length', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 20), fc.nat(2 ** 20), buckets, (a, b, rule) => {
        expect(lengthBucket(Math.min(a, b), rule)).toBeLessThanOrEqual(lengthBucket(Math.max(a, b), rule));
      }),
    );
  });

  it('are 53 from 1 KiB to 8 MiB and cost a tenth on average', () => {
    const seen = new Set<number>();
    let added = 0;
    const lengths = Array.from({ length: 20_000 }, (_, i) => Math.round(KIB * 2 ** ((13 * i) / 19_999)));
    for (const octets of lengths) {
      const bucket = lengthBucket(octets, MESSAGE_BUCKETS);
      seen.add(bucket);
      added += bucket / octets - 1;
    }
    expect(seen.size).toBe(53);
    expect(added / lengths.length).toBeLessThan(0.1);
  });

  it('give a request whose body is still the same', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), (body) => {
        const message = encodeBhttpRequest({
          method: 'POST',
          scheme: 'https',
          authority: 'engine.invalid',
          path: '/v1/x',
          headers: [['content-type', 'application/json']],
          body,
        });
        const padded = padMessage(message, MESSAGE_BUCKETS);
        expect(padded.length).toBe(lengthBucket(message.length, MESSAGE_BUCKETS));
        expect(decodeBhttpRequest(padded, { maxHeaderBytes: 1000 }).body).toEqual(new Uint8Array(body));
      }),
    );
  });
});
