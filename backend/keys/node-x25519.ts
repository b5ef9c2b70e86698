// X25519 keys between raw octets and node:crypto's key objects (RFC 8410 DER).

import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';

const SPKI_X25519 = Buffer.from('302a300506032b656e032100', 'hex');
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** What `createPublicKey` takes in newer releases of Node 24; the types do not know it yet. */
interface RawPublicKey {
  readonly key: Uint8Array;
  readonly format: 'raw-public';
  readonly asymmetricKeyType: 'x25519';
}
const createRawPublicKey = createPublicKey as unknown as (key: RawPublicKey) => KeyObject;

/** DER takes longer than the octets themselves, so it is for a Node that takes nothing else. */
const takesRaw = ((): boolean => {
  try {
    importRaw(new Uint8Array(32).fill(9));
    return true;
  } catch {
    return false;
  }
})();

/**
 * Node finds out whether it was given a key object by catching an error, twice, and most of what an import takes is writing down their
 * stacks (33 µs, of which 26 go with this). Nothing else runs meanwhile.
 */
function importRaw(key: Uint8Array): KeyObject {
  const limit = Error.stackTraceLimit;
  Reflect.set(Error, 'stackTraceLimit', 0);
  try {
    return createRawPublicKey({ key, format: 'raw-public', asymmetricKeyType: 'x25519' });
  } finally {
    Reflect.set(Error, 'stackTraceLimit', limit);
  }
}

/** A public key from its 32 octets. */
export function importX25519Public(octets: Uint8Array): KeyObject {
  if (takesRaw) return importRaw(octets);
  return createPublicKey({ key: Buffer.concat([SPKI_X25519, octets]), format: 'der', type: 'spki' });
}

/** A private key from its 32 octets. */
export function importX25519Private(octets: Uint8Array): KeyObject {
  const der = Buffer.concat([PKCS8_X25519, octets]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return key;
}

/** The 32 octets of a key's public half. */
export function exportX25519Public(key: KeyObject): Uint8Array {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_X25519.length));
}

/**
 * The shared secret, 32 octets; a random one for a share of low order, where RFC 7748 section 6.1 wants a refusal. The AEAD then refuses it, in
 * the same way and after the same work as any other forgery.
 */
export function agreeX25519(privateKey: KeyObject, share: Uint8Array): Uint8Array {
  const publicKey = importX25519Public(share);
  try {
    return diffieHellman({ privateKey, publicKey });
  } catch {
    return randomBytes(32);
  }
}

/** A key pair for one encapsulation. */
export function makeX25519Ephemeral(): { privateKey: KeyObject; publicOctets: Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return { privateKey, publicOctets: exportX25519Public(publicKey) };
}
