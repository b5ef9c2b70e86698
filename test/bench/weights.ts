// Encrypting and decrypting weights, against bare AES-256-GCM calls through node:crypto on chunks of the same size.

import * as nodeCrypto from 'node:crypto';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { sourceOfFile } from '../../shared/weights/octet-source.ts';
import { openWeights, readHeader } from '../../shared/weights/open-weights.ts';
import { makeHeader, sealWeights } from '../../shared/weights/seal-weights.ts';
import { type FigureGroup, figure, measure } from './measure.ts';

const MEBIBYTES = 32;
const CHUNK = 2 ** 20;

const random = (octets: number): Bytes => new Uint8Array(nodeCrypto.randomBytes(octets));

/**
 * Figures `weights-encrypt` and `weights-decrypt` (MiB/s, one core). Ours reads a file and writes none: encrypting as the second pass
 * of the command does, decrypting with the SHA-256 of the whole. Floor: one cipher call after the other, memory to memory, no digest.
 */
export const weightsFigures: FigureGroup = async function* () {
  const folder = await mkdtemp(join(tmpdir(), 'cloister-bench-weights-'));
  try {
    const plaintext = random(MEBIBYTES * CHUNK);
    const sha256 = new Uint8Array(nodeCrypto.createHash('sha256').update(plaintext).digest());
    const key = random(32);
    const header = await makeHeader({ octets: plaintext.length, sha256 }, key, random);
    const plainPath = join(folder, 'plain');
    const sealedPath = join(folder, 'sealed');
    await writeFile(plainPath, plaintext);
    const encrypt = async (keep: (piece: Uint8Array) => unknown): Promise<void> => {
      const file = await open(plainPath);
      try {
        for await (const piece of sealWeights(header, sourceOfFile(file), key, nodeCrypto)) await keep(piece);
      } finally {
        await file.close();
      }
    };
    const sealed = await open(sealedPath, 'w');
    await encrypt((piece) => sealed.write(piece));
    await sealed.close();
    const decrypt = async (): Promise<void> => {
      const file = await open(sealedPath);
      try {
        const source = sourceOfFile(file);
        for await (const _ of openWeights(await readHeader(source), source, key, nodeCrypto));
      } finally {
        await file.close();
      }
    };

    const nonce = random(12);
    const chunk = random(CHUNK);
    const cipher = nodeCrypto.createCipheriv('aes-256-gcm', key, nonce);
    const ciphertext = cipher.update(chunk);
    cipher.final();
    const tag = cipher.getAuthTag();
    const each = (times: number, operation: () => void) => {
      for (let i = 0; i < times * MEBIBYTES; i++) operation();
    };
    const times = await measure(
      {
        encrypt: async (count) => {
          for (let i = 0; i < count; i++) await encrypt(() => undefined);
        },
        bareEncrypt: (count) =>
          each(count, () => {
            const bare = nodeCrypto.createCipheriv('aes-256-gcm', key, nonce);
            bare.update(chunk);
            bare.final();
            bare.getAuthTag();
          }),
        decrypt: async (count) => {
          for (let i = 0; i < count; i++) await decrypt();
        },
        bareDecrypt: (count) =>
          each(count, () => {
            const bare = nodeCrypto.createDecipheriv('aes-256-gcm', key, nonce);
            bare.setAuthTag(tag);
            bare.update(ciphertext);
            bare.final();
          }),
      },
      { rounds: 12, milliseconds: 60 },
    );
    const rate = (microseconds: number) => (1e6 * MEBIBYTES) / microseconds;
    yield figure('weights-encrypt', rate(times.encrypt), 'MiB/s', rate(times.bareEncrypt));
    yield figure('weights-decrypt', rate(times.decrypt), 'MiB/s', rate(times.bareDecrypt));
  } finally {
    await rm(folder, { recursive: true });
  }
};
