// The search for secrets finds each disguise, wherever it lies, and nothing where there is none.

import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { BROTLI, DISGUISES, findSecret } from './find-secret.ts';

const SECRET = 'k7"Zq é-4f0c9a1e?';
const noise = (octets: number) => randomBytes(octets);

describe('the search for a secret', () => {
  test.each(DISGUISES.map((disguise) => [disguise.name, disguise] as const))(
    'finds it as %s',
    (name, disguise) => {
      const planted = disguise.apply(SECRET);
      expect(findSecret(planted, SECRET)).toContain(name);
      expect(findSecret(Buffer.concat([noise(1001), planted, noise(1000)]), SECRET)).toContain(name);
    },
  );

  test('finds it in brotli at the start and where an HTTP body begins', () => {
    const planted = BROTLI.apply(SECRET);
    expect(findSecret(planted, SECRET)).toContain('raw in br');
    const answer = Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\ncontent-encoding: br\r\n\r\n'), planted]);
    expect(findSecret(answer, SECRET)).toContain('raw in br');
  });

  test('finds it in a stream that is cut, and in base64 inside gzip', () => {
    const whole = gzipSync(Buffer.from(Buffer.from(`${SECRET} `.repeat(50)).toString('base64')));
    const found = findSecret(whole.subarray(0, -6), SECRET).join();
    expect(found).toMatch(/base64 at \d in gzip/);
  });

  test('finds it across the chunk framing of HTTP', () => {
    const text = `5\r\n${SECRET.slice(0, 5)}\r\n${(SECRET.length - 5).toString(16)}\r\n${SECRET.slice(5)}`;
    expect(findSecret(Buffer.from(text), SECRET)).toContain('raw');
  });

  test('finds it at any of 200 random offsets in base64', () => {
    for (let length = 0; length < 200; length++) {
      const text = Buffer.concat([noise(length), Buffer.from(SECRET), noise(7)]).toString('base64');
      expect(findSecret(Buffer.from(text), SECRET).join()).toContain('base64');
    }
  });

  test('finds nothing in noise and in a near miss', () => {
    expect(findSecret(noise(300_000), SECRET)).toEqual([]);
    expect(findSecret(Buffer.from(SECRET.slice(0, -1)), SECRET)).toEqual([]);
  });
});
