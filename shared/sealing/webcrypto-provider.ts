// Sealing over WebCrypto: browsers, workerd, Node. ML-KEM is native where the runtime has it, else from a lazy import.

import {
  AEAD_AES_128_GCM,
  AEAD_AES_256_GCM,
  CipherSuite,
  KDF_HKDF_SHA256,
  KEM_DHKEM_X25519_HKDF_SHA256,
  KEM_MLKEM768_X25519,
  type KEMFactory,
  type Key,
} from 'hpke';
import { type Bytes, concat } from '../bytes/concat.ts';
import type { RecordKey, SealingProvider } from './provider.ts';
import { SealingError } from './sealing-error.ts';
import { AEAD_ID, isSupportedSuite, KEM_ID, type Suite } from './suite.ts';

// Results are kept, promises never: in workerd a promise of one request must not be awaited by another.
let hybridKem: KEMFactory<Key> | undefined;
const cipherSuites = new Map<string, CipherSuite<Key>>();

/** A KEM that makes, encapsulates and decapsulates for itself here. Constructors do not tell, so the probe does all three. */
async function works(kem: KEMFactory<Key>): Promise<boolean> {
  try {
    const suite = new CipherSuite<Key>(kem, KDF_HKDF_SHA256, AEAD_AES_256_GCM);
    const keyPair = await suite.GenerateKeyPair();
    const { encapsulatedSecret } = await suite.SetupSender(keyPair.publicKey);
    await suite.SetupRecipient(keyPair, encapsulatedSecret);
    return true;
  } catch {
    return false;
  }
}

async function findHybridKem(): Promise<KEMFactory<Key>> {
  if (await works(KEM_MLKEM768_X25519)) return KEM_MLKEM768_X25519;
  return (await import('@panva/hpke-noble')).KEM_MLKEM768_X25519;
}

async function cipherSuite(suite: Suite): Promise<CipherSuite<Key>> {
  if (!isSupportedSuite(suite)) throw new SealingError('suite_unsupported');
  const name = `${suite.kemId}/${suite.aeadId}`;
  const known = cipherSuites.get(name);
  if (known !== undefined) return known;
  if (suite.kemId === KEM_ID.mlkem768X25519) hybridKem ??= await findHybridKem();
  const kem: KEMFactory<Key> =
    suite.kemId === KEM_ID.mlkem768X25519 && hybridKem !== undefined
      ? hybridKem
      : (KEM_DHKEM_X25519_HKDF_SHA256 as KEMFactory<Key>);
  const aead = suite.aeadId === AEAD_ID.aes256Gcm ? AEAD_AES_256_GCM : AEAD_AES_128_GCM;
  const made = new CipherSuite<Key>(kem, KDF_HKDF_SHA256, aead);
  cipherSuites.set(name, made);
  return made;
}

class WebCryptoRecordKey implements RecordKey {
  readonly #key: CryptoKey;
  constructor(key: CryptoKey) {
    this.#key = key;
  }

  async seal(prefix: Uint8Array, nonce: Bytes, aad: Bytes, plaintext: Uint8Array): Promise<Bytes> {
    const algorithm = { name: 'AES-GCM', iv: nonce, additionalData: aad };
    const sealed = await crypto.subtle.encrypt(algorithm, this.#key, plaintext as Bytes);
    return concat(prefix, new Uint8Array(sealed));
  }

  async open(nonce: Bytes, aad: Bytes, sealed: Uint8Array): Promise<Bytes> {
    const algorithm = { name: 'AES-GCM', iv: nonce, additionalData: aad };
    try {
      return new Uint8Array(await crypto.subtle.decrypt(algorithm, this.#key, sealed as Bytes));
    } catch {
      throw new SealingError('open_failed');
    }
  }
}

async function hmacSha256(key: Bytes, data: Bytes): Promise<Bytes> {
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, [
    'sign',
  ]);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, data));
}

/** Sealing over `globalThis.crypto`. Touches nothing before its first use. */
export const webCryptoProvider: SealingProvider = {
  cipherSuite,
  async importRecordKey(_aeadId, key) {
    return new WebCryptoRecordKey(
      await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']),
    );
  },
  extract: (salt, ikm) => hmacSha256(salt, ikm),
  async expand(prk, info, octets) {
    // One block is enough: the longest output of the profile is a key of 32 octets.
    if (octets > 32) throw new RangeError('HKDF-Expand of more than one block');
    return (await hmacSha256(prk, concat(info, Uint8Array.of(1)))).slice(0, octets);
  },
  random: (octets) => crypto.getRandomValues(new Uint8Array(octets)),
};
