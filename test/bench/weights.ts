// Encrypting and decrypting weights, against bare AES-256-GCM calls through node:crypto on chunks of the same size.

import * as nodeCrypto from 'node:crypto';
import type { Bytes } from '../../shared/bytes/concat.ts';
import type { OctetSource } from '../../shared/weights/octet-source.ts';
import { openWeights, readHeader } from '../../shared/weights/open-weights.ts';
import { makeHeader, sealWeights } from '../../shared/weights/seal-weights.ts';
import type { WeightsCrypto } from '../../shared/weights/weights-crypto.ts';
import { type Contender, type FigureGroup, figure, measure } from './measure.ts';

// Little at a time, so that the fastest round is one that nothing else on the machine interrupted.
const MEBIBYTES = 4;
const CHUNK = 2 ** 20;

const random = (octets: number): Bytes => new Uint8Array(nodeCrypto.randomBytes(octets));

function sourceOf(octets: Uint8Array): OctetSource {
  let at = 0;
  return {
    read: async (length) => {
      const piece = octets.subarray(at, at + length);
      at += piece.length;
      return piece;
    },
  };
}

const repeated =
  (operation: () => unknown): Contender =>
  async (times) => {
    for (let i = 0; i < times; i++) await operation();
  };

/**
 * Figures in MiB/s, one core, memory to memory. `weights-encrypt` and `weights-decrypt`: the chunks of the format against bare
 * AES-256-GCM calls. `weights-decrypt-sha256`: decrypting as command and node do it, with the SHA-256 of the whole, against bare
 * AES-256-GCM and bare SHA-256 calls one after the other. Here the digest is the slower half, so it has a figure of its own.
 */
export const weightsFigures: FigureGroup = async function* () {
  const plaintext = random(MEBIBYTES * CHUNK);
  const sha256 = new Uint8Array(nodeCrypto.createHash('sha256').update(plaintext).digest());
  const key = random(32);
  const header = await makeHeader({ octets: plaintext.length, sha256 }, key, random);
  const pieces: Uint8Array[] = [];
  for await (const piece of sealWeights(header, sourceOf(plaintext), key, nodeCrypto))
    pieces.push(Uint8Array.from(piece));
  const sealed = Buffer.concat(pieces);

  const encrypt = async (): Promise<void> => {
    for await (const _ of sealWeights(header, sourceOf(plaintext), key, nodeCrypto));
  };
  const decryptWith = (crypto: Pick<WeightsCrypto, 'createDecipheriv' | 'createHash'>) => async () => {
    const source = sourceOf(sealed);
    for await (const _ of openWeights(await readHeader(source), source, key, crypto));
  };
  const withoutDigest = {
    createDecipheriv: nodeCrypto.createDecipheriv,
    createHash: () => ({ update: () => undefined, digest: () => sha256 }),
  };

  const nonce = random(12);
  const chunks = Array.from({ length: MEBIBYTES }, (_, index) =>
    plaintext.subarray(index * CHUNK, (index + 1) * CHUNK),
  );
  const bareEncrypt = (chunk: Uint8Array) => {
    const cipher = nodeCrypto.createCipheriv('aes-256-gcm', key, nonce);
    const ciphertext = cipher.update(chunk);
    cipher.final();
    return { ciphertext, tag: cipher.getAuthTag() };
  };
  const bare = chunks.map(bareEncrypt);
  const bareDecrypt = () =>
    bare.map(({ ciphertext, tag }) => {
      const decipher = nodeCrypto.createDecipheriv('aes-256-gcm', key, nonce);
      decipher.setAuthTag(tag);
      const opened = decipher.update(ciphertext);
      decipher.final();
      return opened;
    });

  const times = await measure(
    {
      encrypt: repeated(encrypt),
      bareEncrypt: repeated(() => {
        for (const chunk of chunks) bareEncrypt(chunk);
      }),
      decrypt: repeated(decryptWith(withoutDigest)),
      bareDecrypt: repeated(() => void bareDecrypt()),
      decryptDigest: repeated(decryptWith(nodeCrypto)),
      bareDecryptDigest: repeated(() => {
        const hash = nodeCrypto.createHash('sha256');
        for (const opened of bareDecrypt()) hash.update(opened);
        hash.digest();
      }),
    },
    { rounds: 100, milliseconds: 5 },
  );
  const rate = (microseconds: number) => (1e6 * MEBIBYTES) / microseconds;
  const figures = [
    ['weights-encrypt', times.encrypt, times.bareEncrypt],
    ['weights-decrypt', times.decrypt, times.bareDecrypt],
    ['weights-decrypt-sha256', times.decryptDigest, times.bareDecryptDigest],
  ] as const;
  for (const [name, ours, floor] of figures) yield figure(name, rate(ours), 'MiB/s', rate(floor));
};
