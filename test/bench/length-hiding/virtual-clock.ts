// A clock that jumps from one awaited moment to the next, so that a stream of seconds replays in a blink.

import { setImmediate as turn } from 'node:timers/promises';
import type { CadenceClock } from '../../../backend/adapter/cadence-clock.ts';

interface Sleeper {
  readonly time: number;
  readonly wake: () => void;
}

/** Time stands still while anything runs and jumps when all wait. */
export class VirtualClock implements CadenceClock {
  #now = 0;
  readonly #sleepers: Sleeper[] = [];

  now(): number {
    return this.#now;
  }

  until(time: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (time <= this.#now || signal?.aborted) return resolve();
      const sleeper = { time, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', () => {
        const at = this.#sleepers.indexOf(sleeper);
        if (at >= 0) this.#sleepers.splice(at, 1);
        resolve();
      });
    });
  }

  /** Lets time pass until `work` settles. @throws what it throws, or when it waits for nothing that comes */
  async run<T>(work: Promise<T>): Promise<T> {
    let settled = false;
    const watched = work.finally(() => {
      settled = true;
    });
    watched.catch(() => undefined);
    for (let idle = 0; idle < 3; ) {
      await turn();
      if (settled) return watched;
      const next = Math.min(...this.#sleepers.map(({ time }) => time));
      if (next === Number.POSITIVE_INFINITY) idle++;
      else this.#wakeAt(next);
    }
    throw new Error('everything waits and no time is awaited');
  }

  #wakeAt(time: number): void {
    this.#now = time;
    for (let at = 0; at < this.#sleepers.length; ) {
      if ((this.#sleepers[at] as Sleeper).time > time) at++;
      else this.#sleepers.splice(at, 1)[0]?.wake();
    }
  }
}
