// The gateway's half of the answer: seals every flush at once and marks the end.

import { type Bytes, concat } from '../bytes/concat.ts';
import { LIMIT } from '../wire/limits.ts';
import { MEDIA_TYPE, type SealedRequestType, sealedResponseType } from '../wire/media-types.ts';
import { GrowingBuffer } from './growing-buffer.ts';
import { chain, type MaybePromise, type SealingProvider } from './provider.ts';
import {
  deriveResponseRecords,
  type ResponseRecords,
  type ResponseSecret,
  responseNonceOctets,
} from './response-keys.ts';
import { SealingError } from './sealing-error.ts';

/**
 * Seals one response. The caller sends what each call returns, in the order of the calls, which need not wait for one
 * another; plaintext stays unchanged until its call has settled. A response that fails is cut: never call `finish` for it.
 */
export interface ResponseSealer {
  /** Media type of the response. */
  readonly contentType: string;
  /** The response nonce. Once, first. */
  start(): Bytes;
  /** One or more whole framed chunks of at most 16 KiB plaintext each. Empty input gives empty output, never an empty chunk. */
  seal(plaintext: Uint8Array): MaybePromise<Bytes>;
  /** The empty final chunk. Afterwards every call throws SealingError `closed`. */
  finish(): MaybePromise<Bytes>;
}

/** A sealer for the answer to one request. `random` gives the response nonce: max(Nn, Nk) octets. */
export function makeResponseSealer(
  type: SealedRequestType,
  secret: ResponseSecret,
  provider: SealingProvider,
  random: (octets: number) => Bytes,
): ResponseSealer {
  const octets = responseNonceOctets(secret.suite);
  const nonce = random(octets);
  if (nonce.length !== octets) throw new RangeError('random gave another number of octets');
  const records = deriveResponseRecords(provider, secret, nonce);
  // Nobody may be waiting yet; the failure shows at the first seal.
  if (records instanceof Promise) records.catch(() => undefined);
  return type === MEDIA_TYPE.chunkedRequest
    ? new ChunkedSealer(nonce, records)
    : new WholeSealer(nonce, records);
}

type Phase = 'new' | 'started' | 'closed';

class ChunkedSealer implements ResponseSealer {
  readonly contentType = sealedResponseType(MEDIA_TYPE.chunkedRequest);
  readonly #nonce: Bytes;
  #records: MaybePromise<ResponseRecords>;
  #phase: Phase = 'new';

  constructor(nonce: Bytes, records: MaybePromise<ResponseRecords>) {
    this.#nonce = nonce;
    this.#records = records;
    // Once derived, calls go through without waiting a turn.
    if (records instanceof Promise)
      records.then(
        (derived) => {
          this.#records = derived;
        },
        () => undefined,
      );
  }

  start(): Bytes {
    if (this.#phase !== 'new') throw new SealingError('closed');
    this.#phase = 'started';
    return this.#nonce;
  }

  seal(plaintext: Uint8Array): MaybePromise<Bytes> {
    if (this.#phase !== 'started') throw new SealingError('closed');
    if (plaintext.length === 0) return new Uint8Array(0);
    if (plaintext.length <= LIMIT.chunkPlaintextBytes)
      return chain(this.#records, (records) => records.sealChunk(plaintext, false));
    return this.#sealPieces(plaintext);
  }

  finish(): MaybePromise<Bytes> {
    if (this.#phase !== 'started') throw new SealingError('closed');
    this.#phase = 'closed';
    return chain(this.#records, (records) => records.sealChunk(new Uint8Array(0), true));
  }

  #sealPieces(plaintext: Uint8Array): MaybePromise<Bytes> {
    return chain(this.#records, (records) => {
      const sealed: MaybePromise<Bytes>[] = [];
      for (let at = 0; at < plaintext.length; at += LIMIT.chunkPlaintextBytes)
        sealed.push(records.sealChunk(plaintext.subarray(at, at + LIMIT.chunkPlaintextBytes), false));
      const ready = sealed.filter((piece) => piece instanceof Uint8Array);
      return ready.length === sealed.length
        ? concat(...ready)
        : Promise.all(sealed).then((pieces) => concat(...pieces));
    });
  }
}

/** The non-chunked response of RFC 9458: everything is held until the end, because it is one AEAD message. */
class WholeSealer implements ResponseSealer {
  readonly contentType = sealedResponseType(MEDIA_TYPE.request);
  readonly #nonce: Bytes;
  readonly #records: MaybePromise<ResponseRecords>;
  readonly #whole = new GrowingBuffer();
  #phase: Phase = 'new';

  constructor(nonce: Bytes, records: MaybePromise<ResponseRecords>) {
    this.#nonce = nonce;
    this.#records = records;
  }

  start(): Bytes {
    if (this.#phase !== 'new') throw new SealingError('closed');
    this.#phase = 'started';
    return new Uint8Array(0);
  }

  seal(plaintext: Uint8Array): Bytes {
    if (this.#phase !== 'started') throw new SealingError('closed');
    this.#whole.append(plaintext);
    return new Uint8Array(0);
  }

  finish(): MaybePromise<Bytes> {
    if (this.#phase !== 'started') throw new SealingError('closed');
    this.#phase = 'closed';
    const whole = this.#whole.take();
    return chain(this.#records, (records) => records.sealWhole(this.#nonce, whole));
  }
}
