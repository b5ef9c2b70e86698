// A sealed request's body whose end is watched, so that every failure to open it is answered at the same time after that end.

/**
 * Failures are answered this long after the body's last octet, or at the next multiple of it. It is many times what opening a prompt takes,
 * so what was done until the failure, or left undone, is over by then and shows nowhere.
 */
const FAILURE_TICK_MILLISECONDS = 5;

/** Passes a body on, and remembers when it ended and how long it was. */
export class WatchedBody {
  /** The body; read it instead of the original. */
  readonly stream: ReadableStream<Uint8Array>;
  readonly #maxBytes: number;
  #bytes = 0;
  #endedAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #tick: Promise<void> | undefined;

  constructor(body: ReadableStream<Uint8Array>, maxBytes: number) {
    const reader = body.getReader();
    this.#maxBytes = maxBytes;
    this.stream = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const { done, value } = await reader.read();
          if (done) {
            this.#end();
            controller.close();
          } else {
            this.#bytes += value.length;
            controller.enqueue(value);
          }
        },
        cancel: (reason) => reader.cancel(reason),
      },
      // Two ahead, so that the end of a body in one piece is known before its key is used, and the tick counts from its arrival.
      { highWaterMark: 2 },
    );
  }

  /** Whether the body was longer than it may be. Known for certain after its end, or after `failUniformly`. */
  get tooLarge(): boolean {
    return this.#bytes > this.#maxBytes;
  }

  /**
   * Reads what is left of the body and drops it, then waits for the tick. An answer before the body's end would say at which chunk opening
   * failed; one at once after it, how much work was done. A body over its limit is not read on.
   */
  async failUniformly(): Promise<void> {
    if (this.#endedAt === undefined) {
      const reader = this.stream.getReader();
      try {
        while (!this.tooLarge && !(await reader.read()).done);
        if (this.tooLarge) await reader.cancel();
      } catch {
        // The client left in the middle: nobody waits for an answer.
      }
    }
    if (this.#endedAt === undefined) return;
    const late = (performance.now() - this.#endedAt) / FAILURE_TICK_MILLISECONDS;
    if (late < 1) await this.#tick;
    else await wait(Math.ceil((Math.ceil(late) - late) * FAILURE_TICK_MILLISECONDS));
  }

  /** Ends the clock, when there was no failure. */
  release(): void {
    clearTimeout(this.#timer);
  }

  #end(): void {
    this.#endedAt = performance.now();
    // Started here and not at the failure, so that it fires at the same time whatever happens in between.
    this.#tick = new Promise((resolve) => {
      this.#timer = setTimeout(resolve, FAILURE_TICK_MILLISECONDS);
    });
  }
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
