// HKDF made of one-shot hashes gives what RFC 5869 and OpenSSL give, for keys and messages of every length around the block's.

import { createHmac, hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { expandSha256, extractSha256 } from '../../../backend/keys/node-hkdf.ts';
import { fromHex, toHex } from '../../../shared/bytes/hex.ts';

const octets = (maxLength: number) => fc.uint8Array({ maxLength });

it('is the first test case of RFC 5869', () => {
  const prk = extractSha256(fromHex('000102030405060708090a0b0c'), fromHex('0b'.repeat(22)));
  expect(toHex(prk)).toBe('077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5');
  expect(toHex(expandSha256(prk, fromHex('f0f1f2f3f4f5f6f7f8f9'), 42))).toBe(
    '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
  );
});

it('is what OpenSSL computes', () => {
  fc.assert(
    fc.property(
      octets(200),
      octets(200),
      octets(80),
      fc.integer({ min: 1, max: 400 }),
      (salt, ikm, info, n) => {
        const prk = extractSha256(salt, ikm);
        expect(toHex(prk)).toBe(createHmac('sha256', salt).update(ikm).digest('hex'));
        expect(toHex(expandSha256(prk, info, n))).toBe(
          Buffer.from(hkdfSync('sha256', ikm, salt, info, n)).toString('hex'),
        );
      },
    ),
  );
});

it('stops at 255 blocks', () => {
  expect(() => expandSha256(new Uint8Array(32), new Uint8Array(0), 255 * 32 + 1)).toThrow(RangeError);
});
