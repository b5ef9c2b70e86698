// A set of digests, each with a few octets beside it, in typed arrays: ten million of them fit into a quarter of a gigabyte.

import { hash } from 'node:crypto';

/**
 * Words kept of each SHA-256: 128 bits. Cutting a digest can only make two different inputs look the same, never one input look
 * new, so a replay is always recognised; the price is a false "seen", which among 10^7 entries has a probability of
 * 10^14 / 2^129 = 2^-82 by chance, and by intent needs the salt, which never leaves this process.
 */
const DIGEST_WORDS = 4;
/** The table is this many small ones, chosen by the digest, so that growing never halts the node for more than one of them. */
const SEGMENTS = 4096;
const FIRST_SLOTS = 8;
/** Linear probing stays short below three quarters. */
const MOST_LOAD = 0.75;

/** Where an entry is; valid until the next insertion. */
export interface TableEntry {
  readonly fresh: boolean;
  /** The words beside the digest; all zero in a fresh entry, and written in place. */
  readonly value: Uint32Array;
}

/** Inserts and finds; there is no removal, because nothing is ever evicted. */
export class DigestTable {
  readonly #capacity: number;
  readonly #words: number;
  readonly #salt: Uint8Array;
  readonly #segments: (Uint32Array | undefined)[] = new Array(SEGMENTS);
  readonly #counts = new Uint32Array(SEGMENTS);
  #size = 0;

  /**
   * @param options.capacity most entries
   * @param options.valueWords 32-bit words beside each digest
   * @param options.salt random octets: who does not know them can neither aim at one place of the table nor at an entry
   */
  constructor(options: {
    readonly capacity: number;
    readonly valueWords: number;
    readonly salt: Uint8Array;
  }) {
    this.#capacity = options.capacity;
    this.#words = DIGEST_WORDS + options.valueWords;
    this.#salt = options.salt;
  }

  /** Entries held. */
  get size(): number {
    return this.#size;
  }

  /** Octets held by the arrays. */
  get octets(): number {
    return this.#segments.reduce((sum, segment) => sum + (segment?.byteLength ?? 0), 0);
  }

  /** The entry of `input`, made when there is none; undefined when it would be one more than the capacity. */
  enter(input: Uint8Array): TableEntry | undefined {
    const digest = this.#digest(input);
    const index = (digest[0] as number) % SEGMENTS;
    const segment = this.#segments[index] ?? new Uint32Array(FIRST_SLOTS * this.#words);
    this.#segments[index] = segment;
    const at = this.#find(segment, digest);
    if (segment[at] !== 0) return { fresh: false, value: this.#valueAt(segment, at) };
    if (this.#size >= this.#capacity) return undefined;
    this.#size++;
    const count = (this.#counts[index] as number) + 1;
    this.#counts[index] = count;
    segment.set(digest, at);
    if (count <= (segment.length / this.#words) * MOST_LOAD)
      return { fresh: true, value: this.#valueAt(segment, at) };
    const larger = this.#grow(segment);
    this.#segments[index] = larger;
    return { fresh: true, value: this.#valueAt(larger, this.#find(larger, digest)) };
  }

  /** The words beside `input`, or undefined when it was never entered. */
  find(input: Uint8Array): Uint32Array | undefined {
    const digest = this.#digest(input);
    const segment = this.#segments[(digest[0] as number) % SEGMENTS];
    if (segment === undefined) return undefined;
    const at = this.#find(segment, digest);
    return segment[at] === 0 ? undefined : this.#valueAt(segment, at);
  }

  #digest(input: Uint8Array): Uint32Array {
    const salted = new Uint8Array(this.#salt.length + input.length);
    salted.set(this.#salt);
    salted.set(input, this.#salt.length);
    const octets = hash('sha256', salted, 'buffer');
    const digest = new Uint32Array(DIGEST_WORDS);
    for (let i = 0; i < DIGEST_WORDS; i++) digest[i] = octets.readUInt32LE(4 * i);
    // The first word says whether a slot is taken.
    digest[0] = (digest[0] as number) || 1;
    return digest;
  }

  /** Where the digest is, or the empty slot where it belongs. Ends: the load is below one. */
  #find(segment: Uint32Array, digest: Uint32Array): number {
    const slots = segment.length / this.#words;
    let slot = (digest[1] as number) & (slots - 1);
    for (;;) {
      const at = slot * this.#words;
      if (segment[at] === 0) return at;
      if (
        segment[at] === digest[0] &&
        segment[at + 1] === digest[1] &&
        segment[at + 2] === digest[2] &&
        segment[at + 3] === digest[3]
      )
        return at;
      slot = (slot + 1) & (slots - 1);
    }
  }

  #grow(segment: Uint32Array): Uint32Array {
    const larger = new Uint32Array(segment.length * 2);
    for (let at = 0; at < segment.length; at += this.#words)
      if (segment[at] !== 0) {
        const entry = segment.subarray(at, at + this.#words);
        larger.set(entry, this.#find(larger, entry));
      }
    return larger;
  }

  #valueAt(segment: Uint32Array, at: number): Uint32Array {
    return segment.subarray(at + DIGEST_WORDS, at + this.#words);
  }
}
