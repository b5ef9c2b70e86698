// The keys of the KEMs over node:crypto, and how they are made and serialised.

import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Key } from 'hpke';

/** What a key consists of. */
export interface KeyParts {
  readonly x25519: KeyObject;
  readonly mlkem?: KeyObject;
  /** The public key as the wire has it, for either type. */
  readonly publicOctets: Uint8Array;
  /** Kept for extractable private keys only. */
  readonly privateOctets?: Uint8Array;
}

/** A key of one of the KEMs here. Its key objects are for the KEMs of this folder only. */
export class NodeKemKey implements Key {
  readonly algorithm: { readonly name: string };
  readonly extractable: boolean;
  readonly type: 'public' | 'private';
  readonly #parts: KeyParts;

  constructor(name: string, type: 'public' | 'private', extractable: boolean, parts: KeyParts) {
    this.algorithm = { name };
    this.type = type;
    this.extractable = extractable;
    this.#parts = parts;
  }

  static partsOf(key: Key): KeyParts {
    if (!(key instanceof NodeKemKey)) throw new TypeError('a key of another provider');
    return key.#parts;
  }
}

/** What every KEM does alike: serialising, and making a pair from the octets of its private half. */
export function serialisation(
  name: string,
  importPrivate: (octets: Uint8Array, extractable: boolean) => NodeKemKey,
) {
  return {
    async SerializePublicKey(key: Key) {
      return NodeKemKey.partsOf(key).publicOctets.slice();
    },
    async SerializePrivateKey(key: Key) {
      const { privateOctets } = NodeKemKey.partsOf(key);
      if (privateOctets === undefined) throw new TypeError('the key is not extractable');
      return privateOctets.slice();
    },
    async DeserializePrivateKey(octets: Uint8Array, extractable: boolean): Promise<Key> {
      return importPrivate(octets, extractable);
    },
    keyPair(privateOctets: Uint8Array, extractable: boolean): { privateKey: Key; publicKey: Key } {
      const privateKey = importPrivate(privateOctets, extractable);
      const { privateOctets: _, x25519, mlkem, publicOctets } = NodeKemKey.partsOf(privateKey);
      const parts = {
        x25519: createPublicKey(x25519),
        ...(mlkem === undefined ? {} : { mlkem: createPublicKey(mlkem) }),
        publicOctets,
      };
      return { privateKey, publicKey: new NodeKemKey(name, 'public', true, parts) };
    },
  };
}
