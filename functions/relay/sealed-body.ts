// A sealed request on its way through: its first octet can be looked at, its octets are counted, none is kept.

/** Why a body stopped before its end: its limit was passed, or its client went away. */
export type BodyFailure = 'too_large' | 'client_gone';

/** The body of one sealed request. At most one chunk is held at a time. */
export class SealedBody {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #limitBytes: number;
  #held: Uint8Array | undefined;
  #bytes = 0;
  #failure: BodyFailure | undefined;

  /** `limitBytes`: the whole body's limit. */
  constructor(body: ReadableStream<Uint8Array>, limitBytes: number) {
    this.#reader = body.getReader();
    this.#limitBytes = limitBytes;
  }

  /** Set once the body failed. What the node says to half a body does not count. */
  get failure(): BodyFailure | undefined {
    return this.#failure;
  }

  /** The first octet (the key id), or undefined for an empty or failed body. It is still part of `stream()`. */
  async firstOctet(): Promise<number | undefined> {
    this.#held ??= await this.#next();
    return this.#held?.[0];
  }

  /**
   * The body for the node, pulled chunk by chunk as the node takes it. With `length` (octets) it is sent with that
   * `content-length`, otherwise chunked. When the body fails, `cut` is called and the stream neither ends nor errors: workerd sends a
   * clean chunked end for a body that errors (measured), and half a request must not look like a whole one. `cut` has to
   * abort the fetch.
   */
  stream(length: number | undefined, cut: () => void): ReadableStream<Uint8Array> {
    const pulled = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = this.#held ?? (await this.#next());
          this.#held = undefined;
          if (this.#failure !== undefined) cut();
          else if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        },
        cancel: () => this.cancel(),
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
      const read = await this.#reader.read().catch(() => undefined);
      if (read === undefined) this.#failure = 'client_gone';
      if (read === undefined || read.done) return undefined;
      if (read.value.length === 0) continue;
      this.#bytes += read.value.length;
      if (this.#bytes <= this.#limitBytes) return read.value;
      this.#failure = 'too_large';
      await this.cancel();
      return undefined;
    }
  }
}
