// Remembers every encapsulated key that was received, until the private key that could open it is erased.

import type { Bytes } from '../../shared/bytes/concat.ts';
import { DigestTable } from './digest-table.ts';

/** `seen`: refuse. `full`: refuse and rotate the key; nothing is ever evicted, because an evicted entry could be replayed. */
export type Reservation = 'new' | 'seen' | 'full';

/** From this share of the capacity on a key should be rotated, so that the next one is there before the table is full. */
const NEARLY_FULL = 7 / 8;
const SALT_OCTETS = 32;

/**
 * One table per gateway key, of salted SHA-256 digests of `enc`. An entry is reserved before decapsulation, so that two copies
 * arriving together are one execution and a repeat costs no public-key work. A reservation is final: it also stands when
 * opening fails, because a freed one would let whoever saw an `enc` try one ciphertext after another under it, each for the price of a
 * decapsulation. Nobody honest loses by that: a client that tries again seals afresh.
 */
export class ReplayMemory {
  readonly #tables = new Map<number, DigestTable>();
  readonly #capacity: number;
  readonly #random: (octets: number) => Bytes;

  /** `capacity`: entries per key, 21 to 43 octets each (28 at ten million). */
  constructor(capacity: number, random: (octets: number) => Bytes) {
    this.#capacity = capacity;
    this.#random = random;
  }

  /** Reserves `enc` (the encapsulated key's octets) under a key id. */
  reserve(keyId: number, enc: Uint8Array): Reservation {
    let table = this.#tables.get(keyId);
    if (table === undefined) {
      table = new DigestTable({ capacity: this.#capacity, valueWords: 0, salt: this.#random(SALT_OCTETS) });
      this.#tables.set(keyId, table);
    }
    const entry = table.enter(enc);
    if (entry === undefined) return 'full';
    return entry.fresh ? 'new' : 'seen';
  }

  /** Whether the key should be rotated soon. */
  isNearlyFull(keyId: number): boolean {
    return this.size(keyId) >= this.#capacity * NEARLY_FULL;
  }

  /** Forgets a key's entries; only after that key was erased. */
  forget(keyId: number): void {
    this.#tables.delete(keyId);
  }

  /** Entries held for a key. */
  size(keyId: number): number {
    return this.#tables.get(keyId)?.size ?? 0;
  }
}
