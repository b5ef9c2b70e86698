// A sealed request on its way through: its first octet can be looked at, its octets are counted, none is kept.

import { countUpTo } from '../gate/limit-body.ts';

/** The body of one sealed request. At most one chunk is held at a time. */
export class SealedBody {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #count: (chunk: Uint8Array) => void;
  #held: Uint8Array | undefined;
  #tooLarge = false;

  /** `limitBytes`: the whole body's limit. */
  constructor(body: ReadableStream<Uint8Array>, limitBytes: number) {
    this.#reader = body.getReader();
    this.#count = countUpTo(limitBytes);
  }

  /** Whether the limit was passed. What the node said in the meantime does not count then. */
  get tooLarge(): boolean {
    return this.#tooLarge;
  }

  /** The first octet (the key id), or undefined for an empty body. It is still part of `stream()`. */
  async firstOctet(): Promise<number | undefined> {
    this.#held ??= await this.#next();
    return this.#held?.[0];
  }

  /**
   * The body for the node, pulled chunk by chunk as the node takes it. It fails, instead of ending, when the limit is
   * passed. With `length` (octets) it is sent with that `content-length`, otherwise chunked.
   */
  stream(length: number | undefined): ReadableStream<Uint8Array> {
    const pulled = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = this.#held ?? (await this.#next());
          this.#held = undefined;
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        },
        cancel: (reason) => this.#reader.cancel(reason),
      },
      { highWaterMark: 0 },
    );
    return length === undefined ? pulled : pulled.pipeThrough(new FixedLengthStream(length));
  }

  /** The client's body is wanted no more. */
  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => undefined);
  }

  async #next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      if (value.length === 0) continue;
      try {
        this.#count(value);
      } catch (error) {
        this.#tooLarge = true;
        // The rest is not read; the node sees a cut, never an end.
        await this.#reader.cancel().catch(() => undefined);
        throw error;
      }
      return value;
    }
  }
}
