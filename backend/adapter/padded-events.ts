// Holds the octets of an event stream and gives them out in any wanted length, filled up with comment lines between events.

import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import { toUtf8 } from '../../shared/bytes/utf8.ts';

const LF = 0x0a;
const CR = 0x0d;
/** The shortest comment: a colon and the end of its line (HTML, section 9.2.5 "Parsing an event stream"). */
export const LEAST_COMMENT = 2;
const FILLER = '.';
/** An event longer than this is not waited for. Such a one goes out in parts, between which nothing can be filled up. */
const LONGEST_EVENT = 64 * 1024;

/**
 * A queue of event-stream octets. Everything that was pushed comes out unchanged and in order; comments stand only where an
 * event has ended, so a parser sees the same events.
 */
export class PaddedEvents {
  #held: Bytes = new Uint8Array(0);
  /** How much of `#held` are whole events. */
  #whole = 0;
  #lineEmpty = true;
  /** Whether the last octet was a CR, and what it ended. */
  #lastCr: 'none' | 'line' | 'event' = 'none';
  #betweenEvents = true;
  #ended = false;

  /** Octets held, whole events or not. */
  get held(): number {
    return this.#held.length;
  }

  /** True when too much is held to read on before something was taken. */
  get full(): boolean {
    return this.#held.length > LONGEST_EVENT;
  }

  /** Octets that `take` may give out now: whole events, or all that is there after the end or of an endless event. */
  get ready(): number {
    if (this.#ended || (this.#whole === 0 && this.full)) return this.#held.length;
    return this.#whole;
  }

  /** Whether a comment may follow what was taken, once `ready` octets more were taken. */
  get mayFill(): boolean {
    return !this.#ended && (this.#whole > 0 || (this.#betweenEvents && !this.full));
  }

  push(piece: Uint8Array): void {
    const start = this.#held.length;
    this.#held = concat(this.#held, piece);
    for (let at = start; at < this.#held.length; at++) this.#scan(this.#held[at] as number, at);
  }

  /** No more comes. What is held goes out as it is, even if its last event has no end. */
  end(): void {
    this.#ended = true;
  }

  /** The source failed: `event` takes the place of an event that has only begun, and nothing follows it. */
  fail(event: string): void {
    const begun = this.#whole === 0 && !this.#betweenEvents;
    // Part of it is gone already, so it has to be ended for the new one to be an event of its own.
    const text = begun ? `\n\n${event}` : event;
    this.#held = concat(this.#held.subarray(0, this.#whole), toUtf8(text));
    this.#ended = true;
  }

  /**
   * Exactly `octets`: as many as are ready, then a comment.
   * @throws RangeError when a comment is needed where none may stand, or for one octet only
   */
  take(octets: number): Bytes {
    const content = Math.min(this.ready, octets);
    const gap = octets - content;
    if (gap !== 0 && (gap < LEAST_COMMENT || !this.mayFill)) throw new RangeError('this cannot be filled up');
    const taken = this.#held.slice(0, content);
    if (content > 0) this.#betweenEvents = content === this.#whole;
    this.#held = this.#held.slice(content);
    this.#whole = Math.max(0, this.#whole - content);
    return gap === 0 ? taken : concat(taken, comment(gap));
  }

  #scan(octet: number, at: number): void {
    // CR LF is one end of a line, which the CR has already ended.
    if (octet === LF && this.#lastCr !== 'none') {
      if (this.#lastCr === 'event') this.#whole = at + 1;
      this.#lastCr = 'none';
      return;
    }
    const endsLine = octet === CR || octet === LF;
    const endsEvent = endsLine && this.#lineEmpty;
    if (endsEvent) this.#whole = at + 1;
    this.#lineEmpty = endsLine;
    this.#lastCr = octet !== CR ? 'none' : endsEvent ? 'event' : 'line';
  }
}

function comment(octets: number): Bytes {
  return toUtf8(`:${FILLER.repeat(octets - LEAST_COMMENT)}\n`);
}
