// How much a node hides of the length and rhythm of its answers, and what that may cost.

import { type LengthBuckets, MESSAGE_BUCKETS } from '../../shared/sealing/length-buckets.ts';

/** Sizes are octets of plaintext; sealing adds the same 18 octets to each of them (chunk length and tag). */
export interface PaddingPolicy {
  /** Milliseconds from one sealed piece of a stream to the next, counted from the opening of the request. */
  readonly tickMilliseconds: number;
  /**
   * Milliseconds of the coarser clock on which the first token leaves, counted like the ticks: when it came says how long the
   * prompt was.
   */
  readonly startMilliseconds: number;
  /** Milliseconds between pieces while an answer has a head and no tokens: a sign of life. */
  readonly quietMilliseconds: number;
  /** The smallest piece of a stream: a power of two, at least 256. */
  readonly leastOctets: number;
  /** The largest piece, `leastOctets` doubled some times, at most 8192. More than that in one tick goes out as several of these. */
  readonly mostOctets: number;
  /**
   * What a tick holds of a usual answer: `leastOctets` doubled some times. Below the floor of `streamBuckets` every tick from the first
   * token on is at least this long, and a stream that ended before it had a rhythm of its own goes on like this.
   */
  readonly usualOctets: number;
  /** Total of a stream; its floor is a multiple of `leastOctets`, as are its steps. */
  readonly streamBuckets: LengthBuckets;
  /** Total of an answer that is not streamed, and of a sealed error. */
  readonly answerBuckets: LengthBuckets;
}

/** What is on unless a node's configuration says otherwise; docs/length-hiding.md has the measurements behind the numbers. */
export const DEFAULT_PADDING: PaddingPolicy = {
  tickMilliseconds: 100,
  startMilliseconds: 500,
  quietMilliseconds: 1000,
  leastOctets: 512,
  mostOctets: 8192,
  usualOctets: 1024,
  streamBuckets: { floor: 10 * 1024, stepsPerDoubling: 5 },
  answerBuckets: MESSAGE_BUCKETS,
};
