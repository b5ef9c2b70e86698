// The only place where runtimes differ: what sealing needs from the machine below it.

import type { CipherSuite, Key } from 'hpke';
import type { Bytes } from '../bytes/concat.ts';
import type { Suite } from './suite.ts';

/** A value now or later: node:crypto answers at once, WebCrypto cannot. */
export type MaybePromise<T> = T | Promise<T>;

/** An AEAD key, imported once and used for many records. */
export interface RecordKey {
  /** `prefix` ‖ ciphertext ‖ tag; the prefix is not protected, it saves the framing a copy. */
  seal(prefix: Uint8Array, nonce: Bytes, aad: Bytes, plaintext: Uint8Array): MaybePromise<Bytes>;
  /** @throws SealingError `open_failed` (or rejects with it) when the record is not authentic. */
  open(nonce: Bytes, aad: Bytes, sealed: Uint8Array): MaybePromise<Bytes>;
}

/** Cryptography of one runtime. Every provider gives the same octets for the same input. */
export interface SealingProvider {
  /** The HPKE suite, for a suite of the profile. */
  cipherSuite(suite: Suite): MaybePromise<CipherSuite<Key>>;
  /** An AEAD key of the profile from its raw octets. */
  importRecordKey(aeadId: number, key: Bytes): MaybePromise<RecordKey>;
  /** HKDF-Extract with SHA-256 (RFC 5869 section 2.2): 32 octets. */
  extract(salt: Bytes, ikm: Bytes): MaybePromise<Bytes>;
  /** HKDF-Expand with SHA-256 (RFC 5869 section 2.3). */
  expand(prk: Bytes, info: Bytes, octets: number): MaybePromise<Bytes>;
  /** Octets from the runtime's secure generator. */
  random(octets: number): Bytes;
}

/** Applies `next` at once to a value and later to a promise. */
export function chain<T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
