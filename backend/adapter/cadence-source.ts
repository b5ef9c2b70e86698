// Reads the engine's event stream between the ticks of a cadence.

import type { Bytes } from '../../shared/bytes/concat.ts';
import type { CadenceClock } from './cadence-clock.ts';
import { PaddedEvents } from './padded-events.ts';

/** What is read, and from when its ticks are counted. */
export interface CadenceInput {
  readonly body: ReadableStream<Bytes>;
  readonly openedAt: number;
  readonly signal: AbortSignal;
  readonly failureEvent: (error: unknown) => string;
}

type Read =
  | { readonly piece: Bytes }
  | { readonly piece: undefined; readonly end: 'whole' }
  | { readonly piece: undefined; readonly end: 'failed'; readonly error: unknown };

/** An event stream that is read only while its next tick is waited for. */
export class CadenceSource {
  /** What was read and not yet taken. */
  readonly events = new PaddedEvents();
  readonly #input: CadenceInput;
  readonly #reader: ReadableStreamDefaultReader<Bytes>;
  readonly #tickMilliseconds: number;
  readonly #clock: CadenceClock;
  #reading: Promise<Read> | undefined;
  #ended = false;
  #ticks = 0;
  #pieces = 0;
  #firstAt = 0;
  #lastAt = 0;
  #octets = 0;

  constructor(input: CadenceInput, tickMilliseconds: number, clock: CadenceClock) {
    this.#input = input;
    this.#reader = input.body.getReader();
    this.#tickMilliseconds = tickMilliseconds;
    this.#clock = clock;
  }

  /** What came after the first token, and over how long. The first piece only says who speaks, the second is the first token. */
  get flow(): { readonly octets: number; readonly milliseconds: number } {
    return { octets: this.#octets, milliseconds: this.#lastAt - this.#firstAt };
  }

  /** True when nothing more comes: the engine has ended, or failed and its failure is among the events. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Number of the tick that was waited for last. */
  get ticks(): number {
    return this.#ticks;
  }

  /**
   * Reads until the next tick. Ticks that passed while nobody asked are left out, so a slow reader gets no burst.
   * @throws the signal's reason when it aborts
   */
  async untilTick(): Promise<void> {
    const { openedAt, signal } = this.#input;
    this.#ticks = Math.max(
      this.#ticks + 1,
      Math.ceil((this.#clock.now() - openedAt) / this.#tickMilliseconds),
    );
    const tick = this.#clock.until(openedAt + this.#ticks * this.#tickMilliseconds, signal);
    const isTick = tick.then(() => undefined);
    while (!this.#ended && !this.events.full) {
      this.#reading ??= this.#read();
      const read = await Promise.race([this.#reading, isTick]);
      if (read === undefined) break;
      this.#reading = undefined;
      this.#accept(read);
    }
    await tick;
    signal.throwIfAborted();
  }

  /** Reads no more; the engine stops unless it has ended. */
  stop(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reader.cancel().catch(() => undefined);
  }

  #read(): Promise<Read> {
    return this.#reader.read().then(
      ({ done, value }): Read => (done ? { piece: undefined, end: 'whole' } : { piece: value }),
      (error: unknown): Read => ({ piece: undefined, end: 'failed', error }),
    );
  }

  #accept(read: Read): void {
    if (read.piece !== undefined) {
      this.events.push(read.piece);
      this.#lastAt = this.#clock.now();
      if (++this.#pieces > 2) this.#octets += read.piece.length;
      else this.#firstAt = this.#lastAt;
      return;
    }
    this.#ended = true;
    if (read.end === 'failed') {
      this.#input.signal.throwIfAborted();
      this.events.fail(this.#input.failureEvent(read.error));
    } else this.events.end();
  }
}
