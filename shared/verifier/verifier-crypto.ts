// The few primitives that verifying takes, behind one small interface, and WebCrypto as their first provider.

import type { Bytes } from '../bytes/concat.ts';
import { toHex } from '../bytes/hex.ts';

/** Verifies signatures. Malformed keys and signatures are `false`, never an exception. */
export interface VerifierCrypto {
  /** ECDSA P-384 with SHA-384. `point`: 0x04 ‖ x ‖ y. `signature`: r ‖ s, 96 octets, any s. */
  verifyEcdsaP384(point: Bytes, signature: Bytes, message: Bytes): Promise<boolean>;
  /** ECDSA P-256 with SHA-256. `point`: 0x04 ‖ x ‖ y. `signature`: r ‖ s, 64 octets, any s. */
  verifyEcdsaP256(point: Bytes, signature: Bytes, message: Bytes): Promise<boolean>;
  /** RSASSA-PSS with SHA-384, MGF1 with SHA-384, salt 48. `spki`: DER of an rsaEncryption key. */
  verifyRsaPss(spki: Bytes, signature: Bytes, message: Bytes): Promise<boolean>;
  /** RSASSA-PKCS1-v1_5 with SHA-256. `key`: modulus and exponent of a JWK, base64url. */
  verifyRsaPkcs1(
    key: { readonly n: string; readonly e: string },
    signature: Bytes,
    message: Bytes,
  ): Promise<boolean>;
  digest(algorithm: 'SHA-256' | 'SHA-384' | 'SHA-512', message: Bytes): Promise<Bytes>;
}

const RSA_PSS = { name: 'RSA-PSS', hash: 'SHA-384' } as const;
const RSA_PKCS1 = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const;
const P384 = { name: 'ECDSA', namedCurve: 'P-384' } as const;
const P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SALT_BYTES = 48;

/** WebCrypto: Node, workerd and browsers. */
export const webCrypto: VerifierCrypto = {
  async verifyEcdsaP384(point, signature, message) {
    const key = await imported('raw', point, P384);
    return (
      key !== undefined && crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-384' }, key, signature, message)
    );
  },
  async verifyEcdsaP256(point, signature, message) {
    const key = await imported('raw', point, P256);
    return (
      key !== undefined && crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, signature, message)
    );
  },
  async verifyRsaPss(spki, signature, message) {
    const key = await imported('spki', spki, RSA_PSS);
    return (
      key !== undefined &&
      crypto.subtle.verify({ name: 'RSA-PSS', saltLength: SALT_BYTES }, key, signature, message)
    );
  },
  async verifyRsaPkcs1({ n, e }, signature, message) {
    try {
      const key = await crypto.subtle.importKey('jwk', { kty: 'RSA', n, e }, RSA_PKCS1, false, ['verify']);
      return await crypto.subtle.verify(RSA_PKCS1, key, signature, message);
    } catch {
      return false;
    }
  },
  async digest(algorithm, message) {
    return new Uint8Array(await crypto.subtle.digest(algorithm, message));
  },
};

// Roots, intermediates and signers come back in every chain, and importing a key costs more than using it. What is kept is a
// function of the octets alone, so no entry can be stale. Keys, not promises: workerd lets no request await another's.
const REMEMBERED_KEYS = 64;
const remembered = new Map<string, CryptoKey>();

async function imported(...wanted: Parameters<typeof importKey>): Promise<CryptoKey | undefined> {
  const [format, octets, algorithm] = wanted;
  const name = `${format} ${JSON.stringify(algorithm)} ${toHex(octets)}`;
  const known = remembered.get(name);
  if (known) return known;
  const key = await importKey(...wanted);
  if (!key) return undefined;
  const [oldest] = remembered.keys();
  if (oldest !== undefined && remembered.size >= REMEMBERED_KEYS) remembered.delete(oldest);
  remembered.set(name, key);
  return key;
}

async function importKey(
  format: 'raw' | 'spki',
  octets: Bytes,
  algorithm: typeof RSA_PSS | typeof P384 | typeof P256,
): Promise<CryptoKey | undefined> {
  try {
    return await crypto.subtle.importKey(format, octets, algorithm, false, ['verify']);
  } catch {
    return undefined;
  }
}
