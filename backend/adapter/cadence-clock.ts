// The clock that a stream's cadence runs on.

/** A monotonic clock that one can wait on. */
export interface CadenceClock {
  /** Milliseconds since some fixed moment. */
  now(): number;
  /** Resolves at `time` (milliseconds of `now`), or as soon as `signal` aborts; never rejects. */
  until(time: number, signal: AbortSignal): Promise<void>;
}

/** The process's own monotonic clock. */
export const systemClock: CadenceClock = {
  now: () => performance.now(),
  until: (time, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.max(0, time - performance.now())).unref();
      signal.addEventListener('abort', wake);
    }),
};
