// An answer's keys and records over Node's own HMAC and AES-GCM where the runtime hands them out: at once, not by way of another thread.

import { type Bytes, concat } from '../bytes/concat.ts';
import type { RecordKey, SealingProvider } from './provider.ts';
import { SealingError } from './sealing-error.ts';
import { AEAD_ID, aeadSizes } from './suite.ts';

interface NodeCipher {
  setAAD(aad: Uint8Array): unknown;
  update(data: Uint8Array): Uint8Array;
  final(): Uint8Array;
  getAuthTag(): Uint8Array;
  setAuthTag(tag: Uint8Array): unknown;
}

interface NodeMac {
  update(data: Uint8Array): NodeMac;
  digest(): Uint8Array;
}

/** What is used of `node:crypto`. */
interface NodeCrypto {
  createSecretKey(key: Uint8Array): object;
  createHmac(hash: 'sha256', key: object): NodeMac;
  createCipheriv(
    name: string,
    key: object,
    nonce: Uint8Array,
    options: { authTagLength: number },
  ): NodeCipher;
  createDecipheriv(
    name: string,
    key: object,
    nonce: Uint8Array,
    options: { authTagLength: number },
  ): NodeCipher;
}

/** The part of a provider that an answer needs. */
type AnswerProvider = Pick<SealingProvider, 'extract' | 'expand' | 'importRecordKey'>;

let found: AnswerProvider | 'none' | undefined;

/**
 * What answers at once, or undefined where this runtime has no `node:crypto` that does AES-GCM. Asked for by
 * `process.getBuiltinModule` (Node 20.16, 22.3) and not by an import, so that no bundle for a browser meets one.
 */
export function nodeRecords(): AnswerProvider | undefined {
  if (found === undefined) {
    const node = findNodeCrypto();
    found = node === undefined ? 'none' : answerProvider(node);
  }
  return found === 'none' ? undefined : found;
}

function answerProvider(node: NodeCrypto): AnswerProvider {
  const hmac = (key: Bytes, data: Bytes): Bytes =>
    new Uint8Array(node.createHmac('sha256', node.createSecretKey(key)).update(data).digest());
  return {
    extract: hmac,
    expand(prk, info, octets) {
      // One block is enough: the longest output of the profile is a key of 32 octets.
      if (octets > 32) throw new RangeError('HKDF-Expand of more than one block');
      return hmac(prk, concat(info, Uint8Array.of(1))).slice(0, octets);
    },
    importRecordKey: (aeadId, key) => new NodeRecordKey(node, aeadId, key),
  };
}

function findNodeCrypto(): NodeCrypto | undefined {
  try {
    const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
    const node = process?.getBuiltinModule?.('node:crypto') as NodeCrypto | undefined;
    if (node === undefined) return undefined;
    // What has the name need not have the cipher.
    const record = new NodeRecordKey(node, AEAD_ID.aes256Gcm, new Uint8Array(32));
    const [prefix, nonce, text] = [new Uint8Array(1), new Uint8Array(12), Uint8Array.of(1)];
    const opened = record.open(nonce, prefix, record.seal(prefix, nonce, prefix, text).subarray(1));
    return opened[0] === 1 ? node : undefined;
  } catch {
    return undefined;
  }
}

class NodeRecordKey implements RecordKey {
  readonly #node: NodeCrypto;
  readonly #name: string;
  readonly #tag: number;
  readonly #key: object;

  constructor(node: NodeCrypto, aeadId: number, key: Uint8Array) {
    this.#node = node;
    this.#name = aeadId === AEAD_ID.aes256Gcm ? 'aes-256-gcm' : 'aes-128-gcm';
    this.#tag = aeadSizes(aeadId).tag;
    this.#key = node.createSecretKey(key);
  }

  seal(prefix: Uint8Array, nonce: Bytes, aad: Bytes, plaintext: Uint8Array): Bytes {
    const cipher = this.#node.createCipheriv(this.#name, this.#key, nonce, { authTagLength: this.#tag });
    if (aad.length > 0) cipher.setAAD(aad);
    const sealed = new Uint8Array(prefix.length + plaintext.length + this.#tag);
    sealed.set(prefix);
    sealed.set(cipher.update(plaintext), prefix.length);
    cipher.final();
    sealed.set(cipher.getAuthTag(), prefix.length + plaintext.length);
    return sealed;
  }

  open(nonce: Bytes, aad: Bytes, sealed: Uint8Array): Bytes {
    const textOctets = sealed.length - this.#tag;
    if (textOctets < 0) throw new SealingError('open_failed');
    const decipher = this.#node.createDecipheriv(this.#name, this.#key, nonce, { authTagLength: this.#tag });
    if (aad.length > 0) decipher.setAAD(aad);
    decipher.setAuthTag(sealed.subarray(textOctets));
    const text = decipher.update(sealed.subarray(0, textOctets));
    try {
      decipher.final();
    } catch {
      throw new SealingError('open_failed');
    }
    // A view of another class: what a Buffer's `slice` gives is no copy.
    return new Uint8Array(text.buffer as ArrayBuffer, text.byteOffset, text.length);
  }
}
