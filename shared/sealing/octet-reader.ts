// Reads exact numbers of octets from a stream, whatever sizes it delivers, and holds no more than one delivery.

import type { Bytes } from '../bytes/concat.ts';
import { GrowingBuffer } from './growing-buffer.ts';
import type { MaybePromise } from './provider.ts';

/** Where octets come from: the reader of a stream, or a transport's own, which saves the stream between. */
export type OctetSource = Pick<ReadableStreamDefaultReader<Uint8Array>, 'read' | 'releaseLock' | 'cancel'>;

/** Pull-based reader. It locks the stream; `release` unlocks it, `cancel` cancels it. */
export class OctetReader {
  readonly #reader: OctetSource;
  readonly #maxOctets: number;
  readonly #refuse: () => Error;
  #held: Uint8Array = new Uint8Array(0);
  #at = 0;
  #received = 0;

  /**
   * @param maxOctets what the whole stream may deliver
   * @param refuse the error for one octet more
   */
  constructor(source: ReadableStream<Uint8Array> | OctetSource, maxOctets: number, refuse: () => Error) {
    this.#reader = 'getReader' in source ? source.getReader() : source;
    this.#maxOctets = maxOctets;
    this.#refuse = refuse;
  }

  /** The next `count` octets, or undefined when the stream ends before them. The caller bounds `count` first. */
  exactly(count: number): MaybePromise<Bytes | undefined> {
    return this.#held.length - this.#at >= count ? this.#take(count) : this.#gather(count);
  }

  /** What was delivered and not read yet: a view, to look at before reading. */
  get held(): Uint8Array {
    return this.#held.subarray(this.#at);
  }

  /** Waits until something is held; false at the end of the stream. */
  async hold(): Promise<boolean> {
    return this.#at < this.#held.length || this.#fill();
  }

  /** At least one and at most `max` octets, as soon as there are any; undefined at the end of the stream. */
  async some(max: number): Promise<Bytes | undefined> {
    if (this.#at === this.#held.length && !(await this.#fill())) return undefined;
    return this.#take(Math.min(max, this.#held.length - this.#at));
  }

  /** Everything to the end of the stream, or undefined when that is more than `max` octets. */
  async toEnd(max: number): Promise<Bytes | undefined> {
    const whole = new GrowingBuffer();
    do {
      const part = this.#take(this.#held.length - this.#at);
      if (whole.length + part.length > max) return undefined;
      whole.append(part);
    } while (await this.#fill());
    return whole.take();
  }

  /** Unlocks the stream where it stands. */
  release(): void {
    this.#reader.releaseLock();
  }

  /** Cancels the stream. A source that fails to cancel is its own affair. */
  cancel(reason: unknown): Promise<void> {
    this.#held = new Uint8Array(0);
    this.#at = 0;
    return this.#reader.cancel(reason);
  }

  #take(count: number): Bytes {
    const taken = this.#held.subarray(this.#at, this.#at + count);
    this.#at += count;
    return taken as Bytes;
  }

  async #gather(count: number): Promise<Bytes | undefined> {
    const gathered = new Uint8Array(count);
    for (let have = 0; have < count; ) {
      const part = await this.some(count - have);
      if (part === undefined) return undefined;
      gathered.set(part, have);
      have += part.length;
    }
    return gathered;
  }

  async #fill(): Promise<boolean> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return false;
      if (!(value instanceof Uint8Array)) throw new TypeError('a stream of octets is expected');
      this.#received += value.length;
      if (this.#received > this.#maxOctets) throw this.#refuse();
      if (value.length > 0) {
        this.#held = value;
        this.#at = 0;
        return true;
      }
    }
  }
}
