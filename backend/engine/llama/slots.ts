// Shares a fixed number of slots among callers: each has its turn, however many requests another has waiting.

import { ApiError } from './api-error.ts';

/** How full the slots are. */
export interface SlotCounts {
  readonly total: number;
  readonly busy: number;
  readonly queued: number;
  readonly queueLimit: number;
}

/** A slot that is held until it is given back, once. */
export interface Lease<T> {
  readonly slot: T;
  release(): void;
}

/** Who asks, and for what. */
export interface Turn<T> {
  /** Requests of one share take turns with those of every other, not among all. One share for all when absent. */
  readonly share?: string;
  /** Of several free slots, one of which this holds. */
  readonly prefers?: (slot: T) => boolean;
}

interface Waiting<T> {
  readonly share: string;
  readonly grant: (lease: Lease<T>) => void;
  readonly refuse: (reason: unknown) => void;
}

/** A bounded queue in front of slots that are interchangeable, fair by share. */
export class Slots<T> {
  readonly #total: number;
  readonly #queueLimit: number;
  /** The one that was free longest comes first. */
  readonly #free: T[];
  /** Waiting requests by share, oldest first; the share whose turn is next comes first. */
  readonly #waiting = new Map<string, Waiting<T>[]>();
  readonly #held = new Map<string, number>();
  #queued = 0;
  constructor(slots: readonly T[], queueLimit: number) {
    this.#total = slots.length;
    this.#queueLimit = queueLimit;
    this.#free = [...slots];
  }

  counts(): SlotCounts {
    return {
      total: this.#total,
      busy: this.#total - this.#free.length,
      queued: this.#queued,
      queueLimit: this.#queueLimit,
    };
  }

  /**
   * A slot, as soon as it is this caller's turn. A slot that gets free goes to the share that holds the fewest; among those, to the
   * one that waited longest for a turn. When the queue is full the newest request of the share with the most waiting makes room for one
   * of a share that has at least two fewer.
   * @throws ApiError `engine_overloaded` when the queue has no room; the signal's reason when it aborts first.
   */
  async take(signal: AbortSignal, { share = '', prefers = () => false }: Turn<T> = {}): Promise<Lease<T>> {
    signal.throwIfAborted();
    if (this.#free.length > 0) {
      const [slot] = this.#free.splice(Math.max(0, this.#free.findIndex(prefers)), 1);
      if (slot !== undefined) return this.#lease(slot, share);
    }
    if (this.#queued >= this.#queueLimit) this.#makeRoomFor(share);
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#forget(waiting);
        reject(signal.reason);
      };
      const waiting: Waiting<T> = {
        share,
        grant: (lease) => {
          signal.removeEventListener('abort', leave);
          resolve(lease);
        },
        refuse: (reason) => {
          signal.removeEventListener('abort', leave);
          reject(reason);
        },
      };
      this.#waiting.set(share, [...(this.#waiting.get(share) ?? []), waiting]);
      this.#queued++;
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  #lease(slot: T, share: string): Lease<T> {
    this.#held.set(share, (this.#held.get(share) ?? 0) + 1);
    let open = true;
    const release = () => {
      if (!open) return;
      open = false;
      const held = (this.#held.get(share) ?? 1) - 1;
      if (held > 0) this.#held.set(share, held);
      else this.#held.delete(share);
      this.#passOn(slot);
    };
    return { slot, release };
  }

  #passOn(slot: T): void {
    let next: Waiting<T> | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const [share, [first]] of this.#waiting) {
      const held = this.#held.get(share) ?? 0;
      if (first === undefined || held >= fewest) continue;
      fewest = held;
      next = first;
    }
    if (next === undefined) {
      this.#free.push(slot);
      return;
    }
    this.#forget(next);
    const others = this.#waiting.get(next.share);
    // its next turn comes after everybody else's
    if (others !== undefined) {
      this.#waiting.delete(next.share);
      this.#waiting.set(next.share, others);
    }
    next.grant(this.#lease(slot, next.share));
  }

  #makeRoomFor(share: string): void {
    const refusal = () =>
      new ApiError('engine_overloaded', `The queue is full: its limit is ${this.#queueLimit}.`);
    const own = this.#waiting.get(share)?.length ?? 0;
    let longest: readonly Waiting<T>[] = [];
    for (const list of this.#waiting.values()) if (list.length > longest.length) longest = list;
    const newest = longest.at(-1);
    if (newest === undefined || longest.length < own + 2) throw refusal();
    this.#forget(newest);
    newest.refuse(refusal());
  }

  #forget(waiting: Waiting<T>): void {
    const list = this.#waiting.get(waiting.share)?.filter((other) => other !== waiting) ?? [];
    if (list.length > 0) this.#waiting.set(waiting.share, list);
    else this.#waiting.delete(waiting.share);
    this.#queued--;
  }
}
