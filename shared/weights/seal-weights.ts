// Encrypts weights: makes the header, then one sealed chunk after the other (STREAM, Hoang, Reyhanitabar, Rogaway and Vizár, CRYPTO 2015).

import type { Bytes } from '../bytes/concat.ts';
import type { OctetSource } from './octet-source.ts';
import { deriveDataKey, weightKeyId } from './weight-key.ts';
import { release, type WeightsCrypto } from './weights-crypto.ts';
import { WeightsError } from './weights-error.ts';
import {
  chunkLength,
  chunkNonce,
  countChunks,
  DEFAULT_CHUNK_OCTETS,
  encodeHeader,
  type WeightsHeader,
} from './weights-header.ts';

/** What is known of the plaintext before it is encrypted. */
export interface PlaintextFacts {
  readonly octets: number;
  /** 32 octets. */
  readonly sha256: Bytes;
}

/**
 * A header for a new file: fresh salt and nonce prefix.
 * @throws WeightsError `weights_length_unsupported`.
 */
export async function makeHeader(
  { octets, sha256 }: PlaintextFacts,
  weightKey: Bytes,
  random: (octets: number) => Bytes,
  chunkOctets: number = DEFAULT_CHUNK_OCTETS,
): Promise<WeightsHeader> {
  const header: WeightsHeader = {
    chunkOctets,
    plaintextOctets: octets,
    plaintextSha256: sha256,
    keyId: await weightKeyId(weightKey),
    salt: random(32),
    noncePrefix: random(7),
  };
  encodeHeader(header);
  return header;
}

/**
 * The octets of the encrypted file in order, header first. A piece is valid until the next is asked for.
 * @param header from `makeHeader`, for this file only: a second file with the same header would repeat nonces.
 * @throws WeightsError `weights_input_changed` when the source is shorter or longer than the header says.
 */
export async function* sealWeights(
  header: WeightsHeader,
  source: OctetSource,
  weightKey: Bytes,
  { createCipheriv }: Pick<WeightsCrypto, 'createCipheriv'>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const aad = encodeHeader(header);
  const dataKey = await deriveDataKey(weightKey, header.salt);
  const chunks = countChunks(header);
  try {
    yield aad;
    for (let index = 0; index < chunks; index++) {
      const length = chunkLength(header, index);
      const plaintext = await source.read(length);
      if (plaintext.length !== length) throw new WeightsError('weights_input_changed');
      const cipher = createCipheriv('aes-256-gcm', dataKey, chunkNonce(header, index, index === chunks - 1));
      cipher.setAAD(aad);
      const ciphertext = cipher.update(plaintext);
      cipher.final();
      yield ciphertext;
      release(ciphertext);
      yield cipher.getAuthTag();
    }
    if ((await source.read(1)).length > 0) throw new WeightsError('weights_input_changed');
  } finally {
    dataKey.fill(0);
  }
}
