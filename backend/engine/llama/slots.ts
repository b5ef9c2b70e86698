// Shares a fixed number of slots among requests, first come first served, with a bounded queue.

import { ApiError } from './api-error.ts';

interface Waiting<T> {
  readonly grant: (slot: T) => void;
}

/** How full the slots are. */
export interface SlotCounts {
  readonly total: number;
  readonly busy: number;
  readonly queued: number;
  readonly queueLimit: number;
}

/** A first-in-first-out queue in front of slots that are interchangeable. */
export class Slots<T> {
  readonly #total: number;
  readonly #queueLimit: number;
  readonly #free: T[];
  readonly #queue: Waiting<T>[] = [];
  constructor(slots: readonly T[], queueLimit: number) {
    this.#total = slots.length;
    this.#queueLimit = queueLimit;
    this.#free = [...slots];
  }

  counts(): SlotCounts {
    return {
      total: this.#total,
      busy: this.#total - this.#free.length,
      queued: this.#queue.length,
      queueLimit: this.#queueLimit,
    };
  }

  /**
   * A slot, as soon as it is this caller's turn; give it back with `release`.
   * @throws ApiError `server_is_overloaded` at once when the queue is full; the signal's reason when it aborts first.
   */
  async take(signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const slot = this.#free.pop();
    if (slot !== undefined) return slot;
    if (this.#queue.length >= this.#queueLimit)
      throw new ApiError('server_is_overloaded', `The queue is full: its limit is ${this.#queueLimit}.`);
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1);
        reject(signal.reason);
      };
      const waiting: Waiting<T> = {
        grant: (granted) => {
          signal.removeEventListener('abort', leave);
          resolve(granted);
        },
      };
      this.#queue.push(waiting);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  /** Gives a slot back; it goes to whoever waits longest. */
  release(slot: T): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#free.push(slot);
    else next.grant(slot);
  }
}
