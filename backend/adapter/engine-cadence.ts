// Fits a node's cadence to the speed of its engine, so that ticks are neither mostly filling nor too small.

import type { PaddingPolicy } from './padding-policy.ts';

/** Share of the newest stream in the average. */
const NEWEST = 0.2;
/** A stream shorter than this says nothing about speed. */
const LEAST_OCTETS = 2048;
const LONGEST_TICKS = 10;

/**
 * What a node remembers of its engine's speed: one average over the streams before, so the cadence of a stream says nothing about
 * that stream. One for each engine.
 */
export class EngineCadence {
  /** Octets of events a millisecond, once a stream has ended. */
  #speed: number | undefined;

  /** A stream has ended whole: so many octets came in so many milliseconds after its first token. */
  streamEnded(octets: number, milliseconds: number): void {
    if (octets < LEAST_OCTETS || milliseconds <= 0) return;
    const speed = octets / milliseconds;
    this.#speed = this.#speed === undefined ? speed : this.#speed + NEWEST * (speed - this.#speed);
  }

  /** The cadence for the next stream: `tickMilliseconds` times 1 to 10, so that a usual tick is about full. */
  tickMilliseconds({ tickMilliseconds, usualOctets }: PaddingPolicy): number {
    if (this.#speed === undefined) return tickMilliseconds;
    const ticks = Math.round(usualOctets / (this.#speed * tickMilliseconds));
    return tickMilliseconds * Math.min(Math.max(ticks, 1), LONGEST_TICKS);
  }
}
