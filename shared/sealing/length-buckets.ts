// Rounds lengths up to a few, so that what is sealed says little about how long its plaintext is.

import { type Bytes, concat } from '../bytes/concat.ts';

/** Which lengths may appear: `floor`, and above it a fixed number of even steps from each doubling of it to the next. */
export interface LengthBuckets {
  /** The smallest length, in octets. */
  readonly floor: number;
  /** Lengths per doubling; divides `floor`. Above the floor at most 1/steps of the length is added. */
  readonly stepsPerDoubling: number;
}

/**
 * Requests and answers that are not streamed: 1, 1.25, 1.5, 1.75, 2, 2.5 KiB and so on. At most a quarter is added, a tenth on
 * average, and from 1 KiB to 8 MiB there are 53 lengths. Padmé (Nikitin et al., PETS 2019) adds 3 % here and tells a prompt of
 * 1 KiB from one of 1.1 KiB; prompts are short beside what else a request costs, so more is hidden for the price.
 */
export const MESSAGE_BUCKETS: LengthBuckets = { floor: 1024, stepsPerDoubling: 4 };

/** The smallest bucket that holds `octets`. */
export function lengthBucket(octets: number, { floor, stepsPerDoubling }: LengthBuckets): number {
  if (octets <= floor) return floor;
  let base = floor;
  while (base * 2 < octets) base *= 2;
  const step = base / stepsPerDoubling;
  return base + Math.ceil((octets - base) / step) * step;
}

/** A whole binary HTTP message with the zero octets after its end that fill its bucket (RFC 9292 section 3.8). */
export function padMessage(message: Bytes, buckets: LengthBuckets): Bytes {
  const padding = lengthBucket(message.length, buckets) - message.length;
  return padding === 0 ? message : concat(message, new Uint8Array(padding));
}
