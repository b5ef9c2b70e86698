// Turns single bits of something that was accepted, and keeps every one that is not refused as it should be.

import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { type StepLog, StoppedVerification } from '../../../shared/verifier/step.ts';
import { VerificationError } from '../../../shared/verifier/verification-error.ts';

/** Octets with a way to judge them. */
export interface FlipTarget {
  readonly name: string;
  readonly octets: Bytes;
  /** Verifies everything with these octets in their place, and notes what is wrong. */
  readonly judge: (octets: Bytes, found: FoundCodes) => Promise<void>;
  /** Octets that nobody signs and nothing reads: a bit of them may be turned without a refusal. */
  readonly unread?: readonly UnreadOctets[];
}

/** From one offset to before another, with the reason. */
export interface UnreadOctets {
  readonly from: number;
  readonly to: number;
  readonly why: string;
}

/** The codes of one verification. */
export type FoundCodes = { codes: readonly string[] };

/** What came out of a target. */
export interface FlipOutcome {
  readonly tried: number;
  /** Bits whose turned form was accepted. */
  readonly accepted: readonly number[];
  /** Bits whose turned form made the verifier throw something without a code. */
  readonly untyped: readonly string[];
  /** The longest that one verification took, in milliseconds. */
  readonly slowest: number;
}

const AT_ONCE = 8;

/** Runs a verification and notes the codes of its log, or of the error that a parser gave. */
export async function noteCodes(log: StepLog, found: FoundCodes, verify: () => Promise<void>): Promise<void> {
  try {
    await verify();
  } catch (error) {
    if (error instanceof EvidenceError || error instanceof VerificationError) {
      found.codes = [error.code];
      return;
    }
    if (!(error instanceof StoppedVerification)) throw error;
  }
  found.codes = log.violations.map(({ code }) => code);
}

/**
 * Turns each of the bits in turn. What the untouched octets are already blamed for, such as a captured platform that is out of
 * date, is no refusal of a turned bit.
 */
export async function searchFlips(target: FlipTarget, bits: Iterable<number>): Promise<FlipOutcome> {
  const sound: FoundCodes = { codes: [] };
  await target.judge(target.octets, sound);
  const known = new Set(sound.codes);
  if (sound.codes.some((code) => code.startsWith('evidence_')))
    throw new Error(`${target.name} is refused as it stands: ${sound.codes.join(', ')}`);
  const accepted: number[] = [];
  const untyped: string[] = [];
  let tried = 0;
  let slowest = 0;
  const one = async (bit: number): Promise<void> => {
    const found: FoundCodes = { codes: [] };
    const began = performance.now();
    try {
      await target.judge(flipBit(target.octets, bit), found);
      if (!found.codes.some((code) => !known.has(code)) && !isUnread(target, bit)) accepted.push(bit);
    } catch (error) {
      untyped.push(`bit ${bit}: ${error instanceof Error ? `${error.name}: ${error.message}` : 'no error'}`);
    }
    slowest = Math.max(slowest, performance.now() - began);
    tried++;
  };
  let batch: Promise<void>[] = [];
  for (const bit of bits) {
    batch.push(one(bit));
    if (batch.length < AT_ONCE) continue;
    await Promise.all(batch);
    batch = [];
  }
  await Promise.all(batch);
  return { tried, accepted, untyped, slowest };
}

/** Every bit of some octets. */
export function* everyBit(octets: Uint8Array): Generator<number> {
  for (let bit = 0; bit < octets.length * 8; bit++) yield bit;
}

/** So many bits, one at a place of its own in each of as many equal parts; the same for the same seed. */
export function* sampledBits(octets: Uint8Array, count: number, seed: number): Generator<number> {
  const total = octets.length * 8;
  const parts = Math.min(count, total);
  let state = seed >>> 0;
  for (let part = 0; part < parts; part++) {
    const from = Math.floor((part * total) / parts);
    const to = Math.floor(((part + 1) * total) / parts);
    // Mulberry32: small, seeded, and good enough to wander.
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    yield from + (((mixed ^ (mixed >>> 14)) >>> 0) % (to - from));
  }
}

function flipBit(octets: Uint8Array, bit: number): Bytes {
  const copy = concat(octets);
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
  return copy;
}

function isUnread({ unread = [] }: FlipTarget, bit: number): boolean {
  return unread.some(({ from, to }) => bit >> 3 >= from && bit >> 3 < to);
}
