// Timers on the monotonic clock, as an argument, so that a test's clock can be turned by hand.

/** Runs actions later. */
export interface Scheduler {
  /** Runs `action` after this many milliseconds of monotonic time; the returned function takes it back. */
  after(milliseconds: number, action: () => void): () => void;
}

/** A timer of Node cannot wait longer than this: 24.8 days. */
const LONGEST_MILLISECONDS = 2 ** 31 - 1;

/**
 * Node's timers. libuv runs them on CLOCK_MONOTONIC, which the host cannot set back or forward; while the guest is paused it stands still, so
 * a pause makes a key live longer in the world's time, and what its core says about not-after is what then protects clients.
 */
export const nodeScheduler: Scheduler = {
  after(milliseconds, action) {
    let left = milliseconds;
    let timer: NodeJS.Timeout;
    const step = (): void => {
      const part = Math.min(left, LONGEST_MILLISECONDS);
      left -= part;
      timer = setTimeout(left > 0 ? step : action, part);
      timer.unref();
    };
    step();
    return () => clearTimeout(timer);
  },
};
