// base64url: one spelling for each value, and each value back.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fromBase64url, toBase64url } from '../../../shared/bytes/base64url.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

it('gives back what was encoded, as Node does', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
      const text = toBase64url(octets);
      expect(text).toBe(Buffer.from(octets).toString('base64url'));
      expect(fromBase64url(text)).toEqual(new Uint8Array(octets));
    }),
  );
});

it('takes exactly the spellings that encoding makes, of one and of two octets', () => {
  const made = new Set(Array.from({ length: 256 }, (_, octet) => toBase64url(Uint8Array.of(octet))));
  for (const one of ALPHABET)
    for (const two of ALPHABET) {
      if (made.has(one + two)) expect(toBase64url(fromBase64url(one + two))).toBe(one + two);
      else expect(() => fromBase64url(one + two)).toThrow('base64url');
    }
  for (const last of ALPHABET) {
    const canonical = Buffer.from(`AA${last}`, 'base64url').toString('base64url') === `AA${last}`;
    if (canonical) expect(fromBase64url(`AA${last}`)).toHaveLength(2);
    else expect(() => fromBase64url(`AA${last}`)).toThrow('base64url');
  }
});

it('refuses padding, white space, foreign characters and a lone character', () => {
  for (const text of ['A', 'AAAAA', 'AA==', 'AA=', ' AA', 'AA\n', 'A+AA', 'A/AA', 'AA.A', 'ÄA'])
    expect(() => fromBase64url(text)).toThrow('base64url');
});
