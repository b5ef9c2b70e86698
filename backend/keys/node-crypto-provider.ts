// Sealing over node:crypto: synchronous records and the fast KEMs, for the worker's side of the wire.

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { type AEADFactory, CipherSuite, type Key } from 'hpke';
import type { Bytes } from '../../shared/bytes/concat.ts';
import type { RecordKey, SealingProvider } from '../../shared/sealing/provider.ts';
import { SealingError } from '../../shared/sealing/sealing-error.ts';
import { AEAD_ID, aeadSizes, isSupportedSuite, KEM_ID, type Suite } from '../../shared/sealing/suite.ts';
import { expandSha256, extractSha256, nodeHkdfSha256 } from './node-hkdf.ts';
import { nodeHybridKem } from './node-hybrid-kem.ts';
import { nodeX25519Kem } from './node-x25519-kem.ts';

const TAG_OCTETS = 16;
/** From here on a record is bulk, for which allocating costs more than ciphering's set-up. */
const BULK_OCTETS = 4096;
const NO_PREFIX = new Uint8Array(0);

type GcmName = 'aes-128-gcm' | 'aes-256-gcm';

function gcmName(aeadId: number): GcmName {
  return aeadId === AEAD_ID.aes256Gcm ? 'aes-256-gcm' : 'aes-128-gcm';
}

function sealGcm(
  name: GcmName,
  key: KeyObject,
  prefix: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Bytes {
  const cipher = createCipheriv(name, key, nonce);
  if (aad.length > 0) cipher.setAAD(aad);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  const sealed = allocate(prefix.length + plaintext.length + TAG_OCTETS);
  sealed.set(prefix);
  sealed.set(ciphertext, prefix.length);
  sealed.set(cipher.getAuthTag(), prefix.length + plaintext.length);
  free(ciphertext);
  return sealed;
}

/** An array that the caller fills whole, in a buffer of its own. Above the threshold it is not zeroed first. */
function allocate(octets: number): Bytes {
  return octets < BULK_OCTETS
    ? new Uint8Array(octets)
    : new Uint8Array(Buffer.allocUnsafeSlow(octets).buffer as ArrayBuffer);
}

/**
 * Gives a large buffer back at once. Left to the garbage collector, which sees only small objects here, thousands of them
 * pile up before it runs: that costs memory, and a fifth of the speed because none is still in the processor's cache.
 */
function free({ buffer, length }: Uint8Array): void {
  if (length >= BULK_OCTETS && buffer instanceof ArrayBuffer && buffer.byteLength === length)
    buffer.transfer(0);
}

function openGcm(
  name: GcmName,
  key: KeyObject,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Bytes {
  const textOctets = sealed.length - TAG_OCTETS;
  if (textOctets < 0) throw new SealingError('open_failed');
  const decipher = createDecipheriv(name, key, nonce, { authTagLength: TAG_OCTETS });
  if (aad.length > 0) decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(textOctets));
  const plaintext = decipher.update(sealed.subarray(0, textOctets));
  try {
    decipher.final();
  } catch {
    throw new SealingError('open_failed');
  }
  return new Uint8Array(plaintext.buffer as ArrayBuffer, plaintext.byteOffset, plaintext.length);
}

const aeadFactory =
  (aeadId: number): AEADFactory =>
  () => {
    const name = gcmName(aeadId);
    const sizes = aeadSizes(aeadId);
    return {
      id: aeadId,
      type: 'AEAD',
      name: name.toUpperCase(),
      Nk: sizes.key,
      Nn: sizes.nonce,
      Nt: sizes.tag,
      Seal: async (key, nonce, aad, plaintext) =>
        sealGcm(name, createSecretKey(key), NO_PREFIX, nonce, aad, plaintext),
      Open: async (key, nonce, aad, sealed) => openGcm(name, createSecretKey(key), nonce, aad, sealed),
    };
  };

class NodeRecordKey implements RecordKey {
  readonly #name: GcmName;
  readonly #key: KeyObject;

  constructor(name: GcmName, key: KeyObject) {
    this.#name = name;
    this.#key = key;
  }

  seal(prefix: Uint8Array, nonce: Bytes, aad: Bytes, plaintext: Uint8Array): Bytes {
    return sealGcm(this.#name, this.#key, prefix, nonce, aad, plaintext);
  }

  open(nonce: Bytes, aad: Bytes, sealed: Uint8Array): Bytes {
    return openGcm(this.#name, this.#key, nonce, aad, sealed);
  }
}

const cipherSuites = new Map<string, CipherSuite<Key>>();

/** Sealing over node:crypto. Every record operation answers at once. */
export const nodeCryptoProvider: SealingProvider = {
  cipherSuite(suite: Suite): CipherSuite<Key> {
    if (!isSupportedSuite(suite)) throw new SealingError('suite_unsupported');
    const name = `${suite.kemId}/${suite.aeadId}`;
    const known = cipherSuites.get(name);
    if (known !== undefined) return known;
    const kem = suite.kemId === KEM_ID.mlkem768X25519 ? nodeHybridKem : nodeX25519Kem;
    const made = new CipherSuite<Key>(kem, nodeHkdfSha256, aeadFactory(suite.aeadId));
    cipherSuites.set(name, made);
    return made;
  },
  importRecordKey: (aeadId, key) => new NodeRecordKey(gcmName(aeadId), createSecretKey(key)),
  extract: extractSha256,
  expand: expandSha256,
  random: (octets) => new Uint8Array(randomBytes(octets)),
};
