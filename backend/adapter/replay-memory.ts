// Remembers every encapsulated key that was received, until the private key that could open it is erased.

import { createHash } from 'node:crypto';

/** `seen`: refuse. `full`: refuse and rotate the key; nothing is ever evicted, because an evicted entry could be replayed. */
export type Reservation = 'new' | 'seen' | 'full';

/**
 * One table per gateway key. An entry is SHA-256 of `enc`, reserved before decapsulation, so that two copies arriving
 * together are one execution and a repeat costs no public-key work.
 */
export class ReplayMemory {
  readonly #tables = new Map<number, Set<string>>();
  readonly #capacity: number;

  /** `capacity`: entries per key, about 100 octets each. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Reserves `enc` (the encapsulated key's octets) under a key id. */
  reserve(keyId: number, enc: Uint8Array): Reservation {
    let table = this.#tables.get(keyId);
    if (table === undefined) {
      table = new Set();
      this.#tables.set(keyId, table);
    }
    const entry = createHash('sha256').update(enc).digest('binary');
    if (table.has(entry)) return 'seen';
    if (table.size >= this.#capacity) return 'full';
    table.add(entry);
    return 'new';
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
