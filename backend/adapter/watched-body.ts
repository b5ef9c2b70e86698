// A sealed request's body whose end is watched, so that every failure to open it is answered at the same time after that end.

import type { OctetSource } from '../../shared/sealing/octet-reader.ts';

/**
 * Failures are answered this long after the body's last octet, or at the next multiple of it. It is many times what opening a prompt takes,
 * so what was done until the failure, or left undone, is over by then and shows nowhere.
 */
const FAILURE_TICK_MILLISECONDS = 5;

/** Deliveries read before they are asked for: with two, the end of a body in one piece is known before its key is used. */
const READ_AHEAD = 2;

type Delivery = Awaited<ReturnType<OctetSource['read']>>;

/** Passes a body on, and remembers when it ended and how long it was. */
export class WatchedBody implements OctetSource {
  readonly #source: OctetSource;
  readonly #maxBytes: number;
  readonly #ahead: Promise<Delivery>[] = [];
  #bytes = 0;
  #endedAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #tick: Promise<void> | undefined;

  constructor(source: OctetSource, maxBytes: number) {
    this.#source = source;
    this.#maxBytes = maxBytes;
    this.#readAhead();
  }

  /** The next delivery. The tick counts from the arrival of the end, whenever that is asked for. */
  read(): Promise<Delivery> {
    this.#readAhead();
    const next = this.#ahead.shift();
    this.#readAhead();
    return next ?? Promise.resolve({ done: true });
  }

  /** Nothing is locked. */
  releaseLock(): void {}

  cancel(reason?: unknown): Promise<void> {
    return this.#source.cancel(reason);
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
      try {
        while (!this.tooLarge && !(await this.read()).done);
        if (this.tooLarge) await this.cancel();
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

  #readAhead(): void {
    while (this.#ahead.length < READ_AHEAD && this.#endedAt === undefined) {
      const before = this.#ahead.at(-1);
      const next =
        before === undefined
          ? this.#next()
          : before.then((delivery) => (delivery.done ? delivery : this.#next()));
      // Its failure shows when its turn comes.
      next.catch(() => undefined);
      this.#ahead.push(next);
    }
  }

  async #next(): Promise<Delivery> {
    const delivery = await this.#source.read();
    if (delivery.done) this.#end();
    else this.#bytes += delivery.value.length;
    return delivery;
  }

  #end(): void {
    if (this.#endedAt !== undefined) return;
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
