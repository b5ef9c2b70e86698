// Encrypted weights read a second time, from the byte table in docs/weights.md alone: WebCrypto, no code of shared/weights.

import { createHash, hkdfSync, webcrypto } from 'node:crypto';

/** The plaintext. Rejects on anything that is not whole and authentic. */
export async function readIndependently(file: Buffer, weightKey: Uint8Array): Promise<Buffer> {
  if (file.subarray(0, 8).toString('hex') !== '89434c570d0a1a0a') throw new Error('magic');
  if (file.readUInt32BE(8) !== 0x0001_0001) throw new Error('version and algorithm');
  const chunk = file.readUInt32BE(12);
  const length = Number(file.readBigUInt64BE(16));
  const sha256 = file.subarray(24, 56);
  const id = Buffer.from(hkdfSync('sha256', weightKey, '', 'cloister weights v1 key id', 16));
  if (!id.equals(file.subarray(56, 72))) throw new Error('key id');
  const salt = file.subarray(72, 104);
  const prefix = file.subarray(104, 111);
  if (file[111] !== 0) throw new Error('reserved');
  const dataKey = hkdfSync('sha256', weightKey, salt, 'cloister weights v1 data key', 32);
  const key = await webcrypto.subtle.importKey('raw', dataKey, 'AES-GCM', false, ['decrypt']);
  const parts: Buffer[] = [];
  let at = 112;
  for (let left = length, index = 0; left > 0; index++) {
    const octets = Math.min(chunk, left);
    left -= octets;
    const nonce = Buffer.alloc(12);
    prefix.copy(nonce);
    nonce.writeUInt32BE(index, 7);
    nonce[11] = left === 0 ? 1 : 0;
    const algorithm = { name: 'AES-GCM', iv: nonce, additionalData: file.subarray(0, 112) };
    const sealed = file.subarray(at, at + octets + 16);
    parts.push(Buffer.from(await webcrypto.subtle.decrypt(algorithm, key, sealed)));
    at += octets + 16;
  }
  if (at !== file.length) throw new Error('octets behind the end');
  const plaintext = Buffer.concat(parts);
  if (!createHash('sha256').update(plaintext).digest().equals(sha256)) throw new Error('digest');
  return plaintext;
}
