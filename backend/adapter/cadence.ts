// Lets an event stream leave on a fixed cadence, in pieces of few sizes, up to a total of few sizes.

import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import type { BhttpResponseWriter } from '../../shared/sealing/bhttp-response-writer.ts';
import { lengthBucket } from '../../shared/sealing/length-buckets.ts';
import type { CadenceClock } from './cadence-clock.ts';
import { CadenceSource } from './cadence-source.ts';
import type { EngineCadence } from './engine-cadence.ts';
import { LEAST_COMMENT } from './padded-events.ts';
import type { PaddingPolicy } from './padding-policy.ts';

/** Length prefix of a content chunk of 64 to 16383 octets (RFC 9000 section 16). */
const CONTENT_PREFIX = 2;
/** Empty content chunk and empty trailer section. */
const MESSAGE_END = 2;
/** From so many ticks with more than the least a stream has a rhythm of its own. */
const RHYTHM_TICKS = 3;
/** So many of the latest are repeated. */
const RHYTHM_MEMORY = 64;
const NOTHING: Bytes = new Uint8Array(0);

/** One stream to pace. */
export interface PacedStream {
  /** Writes the binary HTTP; its head is written and not yet sent. */
  readonly writer: BhttpResponseWriter;
  /** The written head, at most 128 octets; it leaves with the first tick. */
  readonly head: Bytes;
  /** The engine's event stream. */
  readonly body: ReadableStream<Bytes>;
  /** Octets of plaintext that were sealed for this answer before. */
  readonly sentBefore: number;
  /** When the request was opened, by the clock: every tick is a whole number of cadences after it. */
  readonly openedAt: number;
  readonly signal: AbortSignal;
  /** The event that tells a client that the engine failed. */
  readonly failureEvent: (error: unknown) => string;
}

/**
 * Yields the plaintext of one sealed piece at each tick until the engine has ended and the total fills its bucket. Every length is
 * `leastOctets` times a power of two, up to `mostOctets`. Octets leave at the first tick after they came; what would need a
 * larger piece than the others fill may stay one tick longer. From the first token on, which leaves on a coarser clock, ticks at which the engine gave nothing
 * are filled up whole, and until the total's floor each is at least of the usual size; before it they are rare. After the
 * end come ticks like the busy ones before it, as zero octets after the message (RFC 9292 section 3.8).
 * `engineCadence`, where given, sets the cadence and learns from the stream. Reads no faster than the ticks are taken.
 * @throws the signal's reason when it aborts
 */
export async function* paceEvents(
  stream: PacedStream,
  policy: PaddingPolicy,
  clock: CadenceClock,
  engineCadence?: EngineCadence,
): AsyncGenerator<Bytes, void, undefined> {
  const tickMilliseconds = engineCadence?.tickMilliseconds(policy) ?? policy.tickMilliseconds;
  const source = new CadenceSource(stream, tickMilliseconds, clock);
  const packer = new TickPacker(stream, source, policy);
  const startTicks = Math.max(1, Math.ceil(policy.startMilliseconds / tickMilliseconds));
  const busy: number[][] = [];
  let quietUntil = 0;
  try {
    while (!packer.finished) {
      await source.untilTick();
      if (packer.isQuiet && clock.now() < quietUntil) continue;
      if (packer.isAboutToBegin && source.ticks % startTicks !== 0) continue;
      quietUntil = clock.now() + policy.quietMilliseconds;
      const sizes: number[] = [];
      for (const piece of packer.tick()) {
        sizes.push(piece.length);
        yield piece;
      }
      if ((sizes[0] ?? 0) > policy.leastOctets) busy.push(sizes);
      if (busy.length > RHYTHM_MEMORY) busy.shift();
    }
    engineCadence?.streamEnded(source.flow.octets, source.flow.milliseconds);
    let left = lengthBucket(packer.sent, policy.streamBuckets) - packer.sent;
    const rhythm = busy.length < RHYTHM_TICKS ? [[policy.usualOctets]] : busy.reverse();
    for (let tick = 0; left > 0; tick++) {
      await source.untilTick();
      for (const like of rhythm[tick % rhythm.length] ?? []) {
        if (left <= 0) break;
        const size = sizeBelow(Math.min(like, left), policy);
        left -= size;
        yield new Uint8Array(size);
      }
    }
  } finally {
    source.stop();
  }
}

/** Packs what is ready into the pieces of one tick. */
class TickPacker {
  readonly #writer: BhttpResponseWriter;
  readonly #source: CadenceSource;
  readonly #policy: PaddingPolicy;
  #head: Bytes;
  /** Whether the answer has begun: something came after the head's own piece, or more with it than the least piece holds. */
  #busy = false;
  /** Octets that the tick before left behind. */
  #carried = 0;
  /** Octets of plaintext so far. */
  sent: number;
  /** True once the end of the message was packed. */
  finished = false;

  constructor(stream: PacedStream, source: CadenceSource, policy: PaddingPolicy) {
    this.#writer = stream.writer;
    this.#head = stream.head;
    this.sent = stream.sentBefore;
    this.#source = source;
    this.#policy = policy;
  }

  /** Nothing is new and the answer has not begun: ticks would hide nothing, as those with tokens are longer. */
  get isQuiet(): boolean {
    const { ended, events } = this.#source;
    return !this.#busy && this.#head.length === 0 && events.ready === 0 && !ended;
  }

  /** The next tick would show that the answer begins. */
  get isAboutToBegin(): boolean {
    const { ended, events } = this.#source;
    return !this.#busy && (ended || this.#begins(events.ready));
  }

  /** Nothing at all only in the midst of an event too long to wait for. */
  *tick(): Generator<Bytes, void, undefined> {
    const { events } = this.#source;
    const { mostOctets } = this.#policy;
    while (events.ready >= this.#room(mostOctets)) {
      this.#carried -= this.#room(mostOctets);
      yield this.#pack(mostOctets);
    }
    if (events.ready > 0 || events.mayFill || this.#source.ended) yield this.#pack(this.#chooseSize());
    this.#carried = events.ready;
  }

  #chooseSize(): number {
    const { ready } = this.#source.events;
    const others = this.#head.length + CONTENT_PREFIX + (this.#source.ended ? MESSAGE_END : 0);
    const due = Math.min(Math.max(this.#carried, 0), ready);
    const { usualOctets, streamBuckets } = this.#policy;
    let size = sizeBelow(ready + others, this.#policy);
    while (size < due + others) size *= 2;
    this.#busy ||= this.#begins(ready);
    // Up to the floor the total is filled anyway, so each tick may as well look like the next.
    if (this.#busy && this.sent + usualOctets <= streamBuckets.floor) size = Math.max(size, usualOctets);
    const gap = this.#room(size) - ready;
    if (gap > 0 && gap < LEAST_COMMENT) size *= 2;
    // Only when the largest piece is too small by an octet or two: then a smaller one goes out full.
    return size > this.#policy.mostOctets ? this.#policy.mostOctets / 2 : size;
  }

  /** Whether so many octets of events are more than the head's own piece holds, or came after it. */
  #begins(ready: number): boolean {
    const others = this.#head.length + CONTENT_PREFIX + (this.#source.ended ? MESSAGE_END : 0);
    return (ready > 0 && this.#head.length === 0) || ready + others > this.#policy.leastOctets;
  }

  /** Octets of events in a piece of this size. */
  #room(size: number): number {
    return size - this.#head.length - CONTENT_PREFIX;
  }

  #pack(size: number): Bytes {
    const { events, ended } = this.#source;
    const room = this.#room(size);
    this.finished = ended && events.ready + MESSAGE_END <= room;
    const content = this.#writer.content(events.take(this.finished ? events.ready : room));
    const left = size - this.#head.length - content.length;
    const piece = concat(this.#head, content, this.finished ? this.#writer.end(left - MESSAGE_END) : NOTHING);
    this.#head = NOTHING;
    this.sent += piece.length;
    return piece;
  }
}

/** The largest piece that `octets` fill, or the smallest piece there is. */
function sizeBelow(octets: number, { leastOctets, mostOctets }: PaddingPolicy): number {
  let size = leastOctets;
  while (size * 2 <= Math.min(octets, mostOctets)) size *= 2;
  return size;
}
