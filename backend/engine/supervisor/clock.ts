// The time that supervision runs on: monotonic, and an argument, so that a test can be its own.

/** A clock that nobody can set back. */
export interface SupervisionClock {
  /** Milliseconds since some moment. */
  now(): number;
  /** Resolves after so many milliseconds; keeps no process alive. */
  sleep(milliseconds: number): Promise<void>;
}

/** The process's own. */
export const processClock: SupervisionClock = {
  now: () => performance.now(),
  sleep: (milliseconds) => new Promise((resolve) => void setTimeout(resolve, milliseconds).unref()),
};
