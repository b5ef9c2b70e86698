// Encrypted weights: what goes in comes out, and nothing else does.

import * as nodeCrypto from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sourceOfFile } from '../../../shared/weights/octet-source.ts';
import { makeHeader, sealWeights } from '../../../shared/weights/seal-weights.ts';
import { formatWeightKey, parseWeightKey, weightKeyId } from '../../../shared/weights/weight-key.ts';
import {
  countChunks,
  encodeHeader,
  encryptedLength,
  HEADER_OCTETS,
  parseHeader,
} from '../../../shared/weights/weights-header.ts';
import { CHUNK, codeOf, open, random, SEALED_CHUNK, seal, sourceOf } from './in-memory.ts';
import { readIndependently } from './independent-reader.ts';

const key = random(32);
const LENGTHS = [1, 15, 16, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7];

describe('what was encrypted', () => {
  test.each(LENGTHS)('comes out again, also by another reader: %i octets', async (length) => {
    const plaintext = Buffer.from(random(length));
    const sealed = await seal(plaintext, key);
    expect(sealed.length).toBe(encryptedLength(parseHeader(sealed.subarray(0, HEADER_OCTETS))));
    expect((await open(sealed, key)).equals(plaintext)).toBe(true);
    expect((await readIndependently(sealed, key)).equals(plaintext)).toBe(true);
  });

  test('comes out again at any length and chunk size', async () => {
    const lengths = fc.integer({ min: 1, max: 40_000 });
    const sizes = fc.constantFrom(4096, 8192, 16_384);
    await fc.assert(
      fc.asyncProperty(lengths, sizes, async (length, chunkOctets) => {
        const plaintext = Buffer.from(random(length));
        const sealed = await seal(plaintext, key, { chunkOctets });
        return (await open(sealed, key)).equals(plaintext);
      }),
      { numRuns: 30 },
    );
  });

  test('is another file every time, under another key', async () => {
    const plaintext = random(3 * CHUNK);
    const [a, b] = await Promise.all([seal(plaintext, key), seal(plaintext, key)]);
    // Only what says the same: magic to key id.
    expect(a?.subarray(0, 72).equals(b?.subarray(0, 72) as Buffer)).toBe(true);
    for (let at = 72; at < a.length - 16; at += 16)
      expect(a.subarray(at, at + 16).equals(b.subarray(at, at + 16))).toBe(false);
  });

  test('does not repeat a key stream when only the nonce prefix repeats', async () => {
    const zero = new Uint8Array(CHUNK);
    const fixedPrefix = (octets: number) => (octets === 7 ? new Uint8Array(7) : random(octets));
    const a = await seal(zero, key, { random: fixedPrefix });
    const b = await seal(zero, key, { random: fixedPrefix });
    expect(a.subarray(104, 111).equals(b.subarray(104, 111))).toBe(true);
    expect(
      a.subarray(HEADER_OCTETS, HEADER_OCTETS + 64).equals(b.subarray(HEADER_OCTETS, HEADER_OCTETS + 64)),
    ).toBe(false);
  });
});

describe('refused is', async () => {
  const plaintext = random(3 * CHUNK + 100);
  const sealed = await seal(plaintext, key);
  const other = await seal(random(3 * CHUNK + 100), key);
  const at = (chunk: number) => HEADER_OCTETS + chunk * SEALED_CHUNK;
  const chunk = (file: Buffer, index: number) =>
    file.subarray(at(index), Math.min(at(index + 1), file.length));
  const header = sealed.subarray(0, HEADER_OCTETS);

  test('the wrong key, before anything is opened', async () => {
    const given: Buffer[] = [];
    expect(await codeOf(sealed, random(32), given)).toBe('weights_key_wrong');
    expect(given).toEqual([]);
  });

  test('any flipped bit', async () => {
    const positions = fc.nat(sealed.length * 8 - 1);
    await fc.assert(
      fc.asyncProperty(positions, async (bit) => {
        const flipped = Buffer.from(sealed);
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
        const given: Buffer[] = [];
        const code = await codeOf(flipped, key, given);
        expect(code).toMatch(/^weights_/);
        // What came out before is a genuine beginning.
        const before = Buffer.concat(given);
        expect(before.equals(Buffer.from(plaintext.subarray(0, before.length)))).toBe(true);
        expect(before.length).toBeLessThan(plaintext.length);
      }),
      { numRuns: 300 },
    );
  });

  test('every flipped octet of the header', async () => {
    for (let index = 0; index < HEADER_OCTETS; index++) {
      const flipped = Buffer.from(sealed);
      flipped[index] = (flipped[index] as number) ^ 0x01;
      expect(await codeOf(flipped, key), `octet ${index}`).toMatch(
        /^weights_(header_malformed|version_unsupported|key_wrong|chunk_forged|truncated)$/,
      );
    }
  });

  test('a cut, at every boundary and beside it', async () => {
    const cuts = [0, 1, 7, 8, 9, 111, 112, 113];
    for (let index = 0; index < 4; index++)
      for (const offset of [-17, -16, -15, -1, 0, 1, 15, 16, 17]) cuts.push(at(index) + offset);
    for (let back = 1; back <= 120; back++) cuts.push(sealed.length - back);
    for (const cut of cuts) {
      const given: Buffer[] = [];
      expect(await codeOf(sealed.subarray(0, cut), key, given), `cut at ${cut}`).toBe('weights_truncated');
      expect(Buffer.concat(given).length).toBeLessThanOrEqual(3 * CHUNK);
    }
  });

  test('a cut whose header was made to fit it', async () => {
    const shorter = Buffer.from(sealed.subarray(0, at(2)));
    shorter.writeBigUInt64BE(BigInt(2 * CHUNK), 16);
    expect(await codeOf(shorter, key)).toBe('weights_chunk_forged');
  });

  test('chunks in another order, twice, or from another file under the same key', async () => {
    const swapped = Buffer.concat([
      header,
      chunk(sealed, 1),
      chunk(sealed, 0),
      chunk(sealed, 2),
      chunk(sealed, 3),
    ]);
    const doubled = Buffer.concat([
      header,
      chunk(sealed, 0),
      chunk(sealed, 0),
      chunk(sealed, 2),
      chunk(sealed, 3),
    ]);
    const mixed = Buffer.concat([header, chunk(other, 0), ...[1, 2, 3].map((index) => chunk(sealed, index))]);
    for (const file of [swapped, doubled, mixed])
      expect(await codeOf(file, key)).toBe('weights_chunk_forged');
  });

  test('the header of another file under the same key', async () => {
    const foreign = Buffer.concat([other.subarray(0, HEADER_OCTETS), sealed.subarray(HEADER_OCTETS)]);
    expect(await codeOf(foreign, key)).toBe('weights_chunk_forged');
  });

  test('anything behind the end', async () => {
    for (const more of [Buffer.of(0), chunk(sealed, 3), sealed])
      expect(await codeOf(Buffer.concat([sealed, more]), key)).toBe('weights_trailing_octets');
  });

  test('a last chunk that was sealed as a middle one, and the other way round', async () => {
    // Whole chunks only, so that nothing but the flag in the nonce tells them apart.
    const four = await seal(random(4 * CHUNK), key);
    const three = Buffer.from(four.subarray(0, at(3)));
    three.writeBigUInt64BE(BigInt(3 * CHUNK), 16);
    expect(await codeOf(three, key)).toBe('weights_chunk_forged');
  });

  test('authentic chunks that are not what the header says: only the key’s holder could make them', async () => {
    const given: Buffer[] = [];
    const lying = await seal(plaintext, key, { sha256: random(32) });
    expect(await codeOf(lying, key, given)).toBe('weights_digest_mismatch');
    expect(Buffer.concat(given).length).toBe(3 * CHUNK);
  });
});

describe('a header', async () => {
  const good = Buffer.from(
    encodeHeader(await makeHeader({ octets: 10_000, sha256: random(32) }, key, random, CHUNK)),
  );
  const changed = (change: (header: Buffer) => void): Buffer => {
    const header = Buffer.from(good);
    change(header);
    return header;
  };

  test('that is accepted is what would have been written', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 112, maxLength: 112 }),
        fc.boolean(),
        async (noise, near) => {
          const octets = near
            ? Buffer.concat([good.subarray(0, 12), Buffer.from(noise).subarray(12)])
            : noise;
          let parsed: ReturnType<typeof parseHeader>;
          try {
            parsed = parseHeader(octets);
          } catch (error) {
            expect((error as { code?: string }).code).toMatch(
              /^weights_(header_malformed|version_unsupported)$/,
            );
            return;
          }
          expect(Buffer.from(encodeHeader(parsed)).equals(Buffer.from(octets))).toBe(true);
        },
      ),
    );
    expect(Buffer.from(encodeHeader(parseHeader(good))).equals(good)).toBe(true);
  });

  test.each([
    ['no magic', (header: Buffer) => header.write('GGUF'), 'weights_header_malformed'],
    ['version 2', (header: Buffer) => header.writeUInt16BE(2, 8), 'weights_version_unsupported'],
    ['algorithm 2', (header: Buffer) => header.writeUInt16BE(2, 10), 'weights_version_unsupported'],
    ['chunks of 2 KiB', (header: Buffer) => header.writeUInt32BE(2048, 12), 'weights_header_malformed'],
    ['chunks of 32 MiB', (header: Buffer) => header.writeUInt32BE(2 ** 25, 12), 'weights_header_malformed'],
    ['chunks of 5000', (header: Buffer) => header.writeUInt32BE(5000, 12), 'weights_header_malformed'],
    ['no content', (header: Buffer) => header.writeBigUInt64BE(0n, 16), 'weights_header_malformed'],
    [
      '2^32 chunks and one',
      (header: Buffer) => header.writeBigUInt64BE(2n ** 44n + 1n, 16),
      'weights_header_malformed',
    ],
    [
      'a length beyond 2^53',
      (header: Buffer) => header.writeBigUInt64BE(2n ** 53n + 1n, 16),
      'weights_header_malformed',
    ],
    ['the reserved octet set', (header: Buffer) => header.writeUInt8(1, 111), 'weights_header_malformed'],
  ])('with %s is refused', (_, change, code) => {
    expect(() => parseHeader(changed(change as (header: Buffer) => void))).toThrow(
      expect.objectContaining({ code }),
    );
  });

  test('counts chunks', () => {
    const header = parseHeader(good);
    expect(countChunks(header)).toBe(3);
    expect(countChunks({ ...header, plaintextOctets: 2 * CHUNK })).toBe(2);
    expect(countChunks({ ...header, plaintextOctets: 1 })).toBe(1);
  });

  test('is not made for nothing, nor for more than the index counts', async () => {
    for (const octets of [0, CHUNK * 2 ** 32 + 1, -1, 1.5])
      await expect(makeHeader({ octets, sha256: random(32) }, key, random, CHUNK)).rejects.toMatchObject({
        code: 'weights_length_unsupported',
      });
  });
});

describe('a source that changes while it is encrypted', () => {
  test.each([CHUNK, 3 * CHUNK])('is refused: %i octets where the header says other', async (octets) => {
    const header = await makeHeader({ octets: 2 * CHUNK, sha256: random(32) }, key, random, CHUNK);
    const run = async () => {
      for await (const _ of sealWeights(header, sourceOf(random(octets)), key, nodeCrypto));
    };
    await expect(run()).rejects.toMatchObject({ code: 'weights_input_changed' });
  });
});

describe('the text of a weight key', () => {
  test('is read back, with and without its line feed', () => {
    const text = formatWeightKey(key);
    expect(text).toMatch(/^cloister-weight-key-v1:[\w-]{43}\n$/);
    expect(parseWeightKey(text)).toEqual(key);
    expect(parseWeightKey(text.trim())).toEqual(key);
  });

  test.each([
    '',
    'x',
    'cloister-weight-key-v1:',
    `cloister-weight-key-v1:${'A'.repeat(42)}`,
    `${'A'.repeat(43)}`,
    ` cloister-weight-key-v1:${'A'.repeat(43)}`,
    `cloister-weight-key-v1:${'A'.repeat(43)}\n\n`,
    `cloister-weight-key-v1:${'A'.repeat(42)}B`,
  ])('that is no key is refused, without being repeated: case %#', (text) => {
    expect(() => parseWeightKey(text)).toThrow(
      expect.objectContaining({
        code: 'weights_key_malformed',
        message: expect.not.stringContaining('AAAA'),
      }),
    );
  });

  test('has a name that is not a part of it', async () => {
    const id = await weightKeyId(key);
    expect(id.length).toBe(16);
    expect(Buffer.from(key).includes(Buffer.from(id))).toBe(false);
  });
});

describe('a file as a source', () => {
  test('gives any sizes in any order, to its end', async () => {
    const octets = random(20_000);
    const file = {
      read: async (buffer: Uint8Array, offset: number, length: number, position: number) => {
        // Short reads, as the kernel may give them.
        const piece = octets.subarray(position, position + Math.min(length, 777));
        buffer.set(piece, offset);
        return { bytesRead: piece.length };
      },
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 6000 }), { minLength: 1, maxLength: 30 }),
        async (sizes) => {
          const source = sourceOfFile(file);
          let at = 0;
          for (const size of sizes) {
            const piece = await source.read(size);
            expect(Buffer.from(piece).equals(Buffer.from(octets.subarray(at, at + size)))).toBe(true);
            at = Math.min(octets.length, at + size);
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});
