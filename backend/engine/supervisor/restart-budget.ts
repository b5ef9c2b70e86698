// When an engine that ended may start again, and when it may not any more.

/** How restarts are spaced and bounded. */
export interface RestartPolicy {
  /** The first delay; each further one doubles. */
  readonly firstMilliseconds: number;
  readonly longestMilliseconds: number;
  /** An engine that ran for so long has shown that it can: the count begins anew. */
  readonly stableMilliseconds: number;
  /** Restarts in a row without such a run; one more is a crash loop. */
  readonly most: number;
}

/** 0.25 s to 30 s; six in a row take about 16 s besides the starts themselves. */
export const DEFAULT_RESTARTS: RestartPolicy = {
  firstMilliseconds: 250,
  longestMilliseconds: 30_000,
  stableMilliseconds: 60_000,
  most: 6,
};

/** Counts restarts. */
export class RestartBudget {
  readonly #policy: RestartPolicy;
  readonly #jitter: () => number;
  #attempt = 0;

  /** `jitter`: 0 up to 1, drawn once for each delay. */
  constructor(policy: RestartPolicy, jitter: () => number) {
    this.#policy = policy;
    this.#jitter = jitter;
  }

  /** Restarts in a row so far. */
  get attempt(): number {
    return this.#attempt;
  }

  /**
   * The delay before the next start, after an engine that ran for `ranMilliseconds` (0: it did not start): half of it fixed, half
   * random, so that nodes which fell together do not rise together. Undefined when that would be a crash loop.
   */
  next(ranMilliseconds: number): number | undefined {
    const { firstMilliseconds, longestMilliseconds, stableMilliseconds, most } = this.#policy;
    if (ranMilliseconds >= stableMilliseconds) this.#attempt = 0;
    if (this.#attempt >= most) return undefined;
    const full = Math.min(longestMilliseconds, firstMilliseconds * 2 ** this.#attempt);
    this.#attempt++;
    return full / 2 + (full / 2) * this.#jitter();
  }

  /** An engine has shown that it can run. */
  succeeded(): void {
    this.#attempt = 0;
  }
}
