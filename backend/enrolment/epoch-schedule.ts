// Which epoch is current, which is stale, and when keys are erased: on monotonic time, because the host can bend the clock.

import type { GatewayKey } from '../../shared/sealing/gateway-key.ts';
import type { Epoch } from './make-epoch.ts';

/** The life of an epoch: offered for `seconds`, still opened for `overlapSeconds` more, then erased. */
export interface EpochLengths {
  readonly seconds: number;
  readonly overlapSeconds: number;
}

/** Makes, offers and erases epochs. */
export class EpochSchedule {
  readonly #make: (usedKeyIds: ReadonlySet<number>) => Promise<Epoch>;
  readonly #lengths: EpochLengths;
  readonly #onErased: (keyId: number) => void;
  readonly #onStarted: (epoch: Epoch) => void;
  #current: Epoch;
  readonly #byKeyId = new Map<number, { readonly key: GatewayKey; readonly coreDigest: string }>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #rotating: Promise<void> | undefined;

  private constructor(
    first: Epoch,
    make: (usedKeyIds: ReadonlySet<number>) => Promise<Epoch>,
    lengths: EpochLengths,
    callbacks: { readonly onStarted: (epoch: Epoch) => void; readonly onErased: (keyId: number) => void },
  ) {
    this.#make = make;
    this.#lengths = lengths;
    this.#onErased = callbacks.onErased;
    this.#onStarted = callbacks.onStarted;
    this.#current = first;
    this.#start(first);
  }

  /** Makes the first epoch and starts the schedule. */
  static async begin(
    make: (usedKeyIds: ReadonlySet<number>) => Promise<Epoch>,
    lengths: EpochLengths,
    callbacks: { readonly onStarted: (epoch: Epoch) => void; readonly onErased: (keyId: number) => void },
  ): Promise<EpochSchedule> {
    return new EpochSchedule(await make(new Set()), make, lengths, callbacks);
  }

  /** The epoch on offer. */
  get current(): Epoch {
    return this.#current;
  }

  /** The key of an id, current or stale; undefined once erased. */
  find(keyId: number): { readonly key: GatewayKey; readonly coreDigest: string } | undefined {
    return this.#byKeyId.get(keyId);
  }

  /** Starts the next epoch now; the current one becomes stale. Calls during a rotation join it. */
  rotate(): Promise<void> {
    this.#rotating ??= this.#make(new Set(this.#byKeyId.keys()))
      .then((next) => {
        this.#current = next;
        this.#start(next);
      })
      .finally(() => {
        this.#rotating = undefined;
      });
    return this.#rotating;
  }

  /** Erases every key and ends the timers. */
  end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const { key } of this.#byKeyId.values()) key.erase();
    this.#byKeyId.clear();
  }

  #start(epoch: Epoch): void {
    for (const key of epoch.keys) this.#byKeyId.set(key.config.keyId, { key, coreDigest: epoch.coreDigest });
    this.#onStarted(epoch);
    // The core's not-after is the end of offer plus the overlap, so that a session verified late in the epoch still works.
    this.#after(this.#lengths.seconds, () => {
      if (this.#current === epoch)
        this.rotate().catch(() => this.#after(1, () => void this.rotate().catch(() => {})));
    });
    this.#after(this.#lengths.seconds + this.#lengths.overlapSeconds, () => this.#erase(epoch));
  }

  #erase(epoch: Epoch): void {
    for (const key of epoch.keys) {
      key.erase();
      this.#byKeyId.delete(key.config.keyId);
      this.#onErased(key.config.keyId);
    }
  }

  #after(seconds: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, seconds * 1000);
    timer.unref();
    this.#timers.add(timer);
  }
}
