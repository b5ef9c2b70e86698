import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStrictJson, StrictJsonError } from '../../../shared/bytes/strict-json.ts';

const read = (text: string) => parseStrictJson(new TextEncoder().encode(text));
const reason = (octets: Uint8Array) => {
  try {
    parseStrictJson(octets);
    return 'accepted';
  } catch (error) {
    return error instanceof StrictJsonError ? error.reason : error;
  }
};
const reasonOf = (text: string) => reason(new TextEncoder().encode(text));

describe('parseStrictJson', () => {
  it('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        expect(read(text)).toEqual(JSON.parse(text));
      }),
    );
  });
  it('refuses duplicate members at any depth, however they are spelled', () => {
    for (const text of [
      '{"a":1,"a":1}',
      '{"a":{"b":1,"b":2}}',
      '[{"a":1},{"a":1,"b":[{}],"a":2}]',
      '{"a":1,"\\u0061":2}',
      '{"":1,"":2}',
      '{"__proto__":1,"__proto__":2}',
    ])
      expect(reasonOf(text)).toBe('duplicate member');
  });
  it('does not take values, or members of other objects, for duplicates', () => {
    for (const text of [
      '{"a":"a","b":"a"}',
      '[{"a":1},{"a":1}]',
      '{"a":{"a":{"a":1}}}',
      '["a","a"]',
      '{"a":"{\\"a\\":","b":1}',
    ])
      expect(reasonOf(text)).toBe('accepted');
  });
  it('refuses a byte order mark, bad UTF-8, trailing text and deep nesting', () => {
    expect(reason(Uint8Array.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]))).toBe('syntax');
    expect(reason(Uint8Array.from([0x22, 0xff, 0x22]))).toBe('syntax');
    expect(reasonOf('{} {}')).toBe('syntax');
    expect(reasonOf('')).toBe('syntax');
    expect(reasonOf(`${'['.repeat(32)}${']'.repeat(32)}`)).toBe('accepted');
    expect(reasonOf(`${'['.repeat(33)}${']'.repeat(33)}`)).toBe('too deep');
  });
});
