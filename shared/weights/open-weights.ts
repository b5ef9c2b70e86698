// Decrypts weights: chunk by chunk, each authenticated at its place before it is given out, the last one after all of it was checked.

import type { Bytes } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import type { OctetSource } from './octet-source.ts';
import { deriveDataKey, weightKeyId } from './weight-key.ts';
import { release, type WeightsCrypto } from './weights-crypto.ts';
import { WeightsError } from './weights-error.ts';
import {
  chunkLength,
  chunkNonce,
  countChunks,
  encodeHeader,
  HEADER_OCTETS,
  parseHeader,
  TAG_OCTETS,
  type WeightsHeader,
} from './weights-header.ts';

/**
 * Reads the header; the source then stands before the first chunk. Nothing in it is authentic until a chunk opened.
 * @throws WeightsError as `parseHeader`.
 */
export async function readHeader(source: OctetSource): Promise<WeightsHeader> {
  return parseHeader(await source.read(HEADER_OCTETS));
}

/**
 * The plaintext in order. A piece is valid until the next is asked for. Until the generator has ended without an error, what it
 * gave is a genuine beginning and no more: nobody may use it as the weights.
 * @throws WeightsError `weights_key_wrong` before anything is opened; `weights_chunk_forged`, `weights_truncated`,
 * `weights_trailing_octets`, `weights_digest_mismatch`.
 */
export async function* openWeights(
  header: WeightsHeader,
  source: OctetSource,
  weightKey: Bytes,
  { createDecipheriv, createHash }: Pick<WeightsCrypto, 'createDecipheriv' | 'createHash'>,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (!equalBytes(await weightKeyId(weightKey), header.keyId)) throw new WeightsError('weights_key_wrong');
  const aad = encodeHeader(header);
  const dataKey = await deriveDataKey(weightKey, header.salt);
  const hash = createHash('sha256');
  const chunks = countChunks(header);
  try {
    for (let index = 0; index < chunks; index++) {
      const last = index === chunks - 1;
      const length = chunkLength(header, index);
      const sealed = await source.read(length + TAG_OCTETS);
      if (sealed.length !== length + TAG_OCTETS) throw new WeightsError('weights_truncated');
      const decipher = createDecipheriv('aes-256-gcm', dataKey, chunkNonce(header, index, last), {
        authTagLength: TAG_OCTETS,
      });
      decipher.setAAD(aad);
      decipher.setAuthTag(sealed.subarray(length));
      const plaintext = decipher.update(sealed.subarray(0, length));
      try {
        decipher.final();
      } catch {
        throw new WeightsError('weights_chunk_forged');
      }
      hash.update(plaintext);
      if (last) {
        if ((await source.read(1)).length > 0) throw new WeightsError('weights_trailing_octets');
        // Whoever holds the key can seal anything under any header: what a client was promised is this digest.
        if (!equalBytes(hash.digest(), header.plaintextSha256))
          throw new WeightsError('weights_digest_mismatch');
      }
      yield plaintext;
      release(plaintext);
    }
  } finally {
    dataKey.fill(0);
  }
}
