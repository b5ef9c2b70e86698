// HKDF-SHA256 over node:crypto (RFC 5869), plain and as hpke wants it.

import { createHmac, createSecretKey } from 'node:crypto';
import type { KDF, KDFFactory } from 'hpke';
import type { Bytes } from '../../shared/bytes/concat.ts';

// Keys go in as key objects: Node 24 takes four times as long over an HMAC or a cipher whose key is an array.

/** HKDF-Extract: 32 octets. */
export function extractSha256(salt: Uint8Array, ikm: Uint8Array): Bytes {
  return new Uint8Array(createHmac('sha256', createSecretKey(salt)).update(ikm).digest());
}

/**
 * HKDF-Expand.
 * @param octets up to 255 blocks of 32
 */
export function expandSha256(prk: Uint8Array, info: Uint8Array, octets: number): Bytes {
  if (octets > 255 * 32) throw new RangeError('HKDF-Expand of more than 255 blocks');
  const key = createSecretKey(prk);
  const output = new Uint8Array(octets);
  let block = new Uint8Array(0);
  for (let at = 0, counter = 1; at < octets; at += block.length, counter++) {
    const mac = createHmac('sha256', key).update(block).update(info).update(Uint8Array.of(counter)).digest();
    block = new Uint8Array(mac);
    output.set(block.subarray(0, octets - at), at);
  }
  return output;
}

/** HKDF-SHA256 as an hpke KDF. */
export const nodeHkdfSha256: KDFFactory = () => {
  const kdf: KDF = {
    id: 0x0001,
    type: 'KDF',
    name: 'HKDF-SHA256',
    Nh: 32,
    stages: 2,
    Extract: async (salt, ikm) => extractSha256(salt, ikm),
    Expand: async (prk, info, octets) => expandSha256(prk, info, octets),
    Derive: () => {
      throw new TypeError('HKDF has two stages');
    },
  };
  return kdf;
};
