// From the exported secret to the keys of a response (RFC 9458 section 4.4, chunked-ohttp-08 section 5.2).

import { type Bytes, concat } from '../bytes/concat.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import { chunkPrefix, FINAL_AAD, FINAL_PREFIX, MAX_CHUNKS, NON_FINAL_AAD } from './chunk-framing.ts';
import { chain, type MaybePromise, type RecordKey, type SealingProvider } from './provider.ts';
import { SealingError } from './sealing-error.ts';
import { aeadSizes, type Suite } from './suite.ts';

const KEY_INFO = toUtf8('key');
const NONCE_INFO = toUtf8('nonce');

/** What both ends of one exchange share before the response nonce is known. */
export interface ResponseSecret {
  readonly suite: Suite;
  readonly enc: Bytes;
  /** HPKE export under the response label, `responseNonceOctets` long. */
  readonly secret: Bytes;
}

/** Octets of the response nonce and of the exported secret: max(Nn, Nk). */
export function responseNonceOctets(suite: Suite): number {
  const { key, nonce } = aeadSizes(suite.aeadId);
  return Math.max(key, nonce);
}

/** The key and base nonce of one response. Extract and Expand are plain HKDF, not HPKE's labelled ones. */
export function deriveResponseRecords(
  provider: SealingProvider,
  { suite, enc, secret }: ResponseSecret,
  responseNonce: Bytes,
): MaybePromise<ResponseRecords> {
  const sizes = aeadSizes(suite.aeadId);
  return chain(provider.extract(concat(enc, responseNonce), secret), (prk) =>
    chain(provider.expand(prk, KEY_INFO, sizes.key), (key) =>
      chain(provider.expand(prk, NONCE_INFO, sizes.nonce), (baseNonce) =>
        chain(
          provider.importRecordKey(suite.aeadId, key),
          (recordKey) => new ResponseRecords(recordKey, baseNonce),
        ),
      ),
    ),
  );
}

/** The chunks of one response in their order. Nonces are taken when a call is made, so calls need not wait for each other. */
export class ResponseRecords {
  readonly #key: RecordKey;
  readonly #baseNonce: Bytes;
  readonly #maxChunks: number;
  #next = 0;

  /** @param maxChunks beyond it every call throws SealingError `chunk_limit` */
  constructor(key: RecordKey, baseNonce: Bytes, maxChunks = MAX_CHUNKS) {
    this.#key = key;
    this.#baseNonce = baseNonce;
    this.#maxChunks = maxChunks;
  }

  /** One framed chunk. The caller keeps plaintext within the chunk size and non-final chunks non-empty. */
  sealChunk(plaintext: Uint8Array, final: boolean): MaybePromise<Bytes> {
    const prefix = final ? FINAL_PREFIX : chunkPrefix(plaintext.length);
    return this.#key.seal(prefix, this.#nonce(), final ? FINAL_AAD : NON_FINAL_AAD, plaintext);
  }

  /** The plaintext of one chunk. Fails with `open_failed`. */
  openChunk(sealed: Bytes, final: boolean): MaybePromise<Bytes> {
    return this.#key.open(this.#nonce(), final ? FINAL_AAD : NON_FINAL_AAD, sealed);
  }

  /** The whole of a non-chunked response, which has neither framing nor AAD. */
  sealWhole(prefix: Bytes, plaintext: Uint8Array): MaybePromise<Bytes> {
    return this.#key.seal(prefix, this.#nonce(), NON_FINAL_AAD, plaintext);
  }

  /** Base nonce XOR the chunk's big-endian number. */
  #nonce(): Bytes {
    if (this.#next >= this.#maxChunks) throw new SealingError('chunk_limit');
    const nonce = this.#baseNonce.slice();
    let at = nonce.length;
    for (let rest = this.#next++; rest > 0; rest = Math.floor(rest / 256))
      nonce[--at] = (this.#baseNonce[at] as number) ^ (rest % 256);
    return nonce;
  }
}
