// Plays the model's owner: encrypts a copy of the model under a fresh key that never touches a disk.

import * as nodeCrypto from 'node:crypto';
import { open } from 'node:fs/promises';
import type { CatalogueModel } from '../../backend/engine/weights/model-catalogue.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { fromHex } from '../../shared/bytes/hex.ts';
import { writeNewFile } from '../../shared/cli/write-new-file.ts';
import { sourceOfFile } from '../../shared/weights/octet-source.ts';
import { makeHeader, sealWeights } from '../../shared/weights/seal-weights.ts';
import { formatWeightKey, WEIGHT_KEY_OCTETS } from '../../shared/weights/weight-key.ts';

/** The name under which the deployment asks for the key. */
export const WEIGHTS_KEY_NAME = 'model-weights';

/** Writes the encrypted copy; gives the key as a key file's text. The plaintext stays as it is. */
export async function encryptModel(
  model: Pick<CatalogueModel, 'sha256' | 'bytes'>,
  plainPath: string,
  encryptedPath: string,
): Promise<string> {
  const random = (octets: number): Bytes => new Uint8Array(nodeCrypto.randomBytes(octets));
  const key = random(WEIGHT_KEY_OCTETS);
  const plain = await open(plainPath);
  try {
    const header = await makeHeader({ octets: model.bytes, sha256: fromHex(model.sha256) }, key, random);
    const pieces = sealWeights(header, sourceOfFile(plain), key, nodeCrypto);
    await writeNewFile(encryptedPath, 0o600, pieces, () => undefined);
    return formatWeightKey(key);
  } finally {
    key.fill(0);
    await plain.close();
  }
}
