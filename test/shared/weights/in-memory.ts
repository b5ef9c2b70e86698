// Encrypted weights in memory, for tests: small chunks, so that many boundaries fit into little.

import * as nodeCrypto from 'node:crypto';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import type { OctetSource } from '../../../shared/weights/octet-source.ts';
import { openWeights, readHeader } from '../../../shared/weights/open-weights.ts';
import { makeHeader, sealWeights } from '../../../shared/weights/seal-weights.ts';

/** The smallest chunk that the format has. */
export const CHUNK = 4096;
export const SEALED_CHUNK = CHUNK + 16;

export const random = (octets: number): Bytes => new Uint8Array(nodeCrypto.randomBytes(octets));

export function sourceOf(octets: Uint8Array): OctetSource {
  let at = 0;
  return {
    read: async (length) => {
      const piece = octets.subarray(at, at + length);
      at += piece.length;
      return piece;
    },
  };
}

export interface SealOptions {
  readonly chunkOctets?: number;
  readonly random?: (octets: number) => Bytes;
  /** What the header claims, where it lies. */
  readonly sha256?: Bytes;
}

export async function seal(plaintext: Uint8Array, key: Bytes, options: SealOptions = {}): Promise<Buffer> {
  const sha256 = options.sha256 ?? new Uint8Array(nodeCrypto.createHash('sha256').update(plaintext).digest());
  const header = await makeHeader(
    { octets: plaintext.length, sha256 },
    key,
    options.random ?? random,
    options.chunkOctets ?? CHUNK,
  );
  const pieces: Buffer[] = [];
  for await (const piece of sealWeights(header, sourceOf(plaintext), key, nodeCrypto))
    pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/** The plaintext; `given`, when passed, also receives what came before a refusal. */
export async function open(sealed: Uint8Array, key: Bytes, given: Buffer[] = []): Promise<Buffer> {
  const source = sourceOf(sealed);
  for await (const piece of openWeights(await readHeader(source), source, key, nodeCrypto))
    given.push(Buffer.from(piece));
  return Buffer.concat(given);
}

/** The code with which opening is refused; `none` when it is not. */
export async function codeOf(sealed: Uint8Array, key: Bytes, given: Buffer[] = []): Promise<string> {
  try {
    await open(sealed, key, given);
    return 'none';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
