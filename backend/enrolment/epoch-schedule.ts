// Which epoch is pending, active or stale, and when keys are erased: on monotonic time, because the host can bend the clock.

import type { GatewayKey } from '../../shared/sealing/gateway-key.ts';
import type { Epoch } from './make-epoch.ts';
import type { Scheduler } from './scheduler.ts';

/** The life of an epoch: active for `seconds`, still opened for `overlapSeconds` more, then erased. */
export interface EpochLengths {
  readonly seconds: number;
  readonly overlapSeconds: number;
}

/** What the schedule tells its owner. */
export interface EpochCallbacks {
  /** The set of routable keys changed: an epoch became pending, active or stale, or was erased. Register again. */
  readonly onChanged: () => void;
  readonly onStarted: (epoch: Epoch) => void;
  /** The epoch's keys are gone; what was kept because of them may go. */
  readonly onErased: (epoch: Epoch) => void;
}

/** What making an epoch is told: ids that are taken, and how long its keys will live from now on. */
export interface EpochOrder {
  readonly usedKeyIds: ReadonlySet<number>;
  readonly lifeSeconds: number;
}

const REMAKE_MILLISECONDS = 1000;
/** The next epoch is made and routable this long before it is active: 60 s, or a tenth of a short epoch. */
const LEAD_SECONDS = 60;
/**
 * Epochs alive at most. A key whose replay table fills is rotated early, and each table costs memory until its key is erased, so the
 * oldest stale epoch gives way: its clients are told `key_unknown`, verify again and lose nothing.
 */
const MOST_EPOCHS = 4;

/** Makes, offers and erases epochs. */
export class EpochSchedule {
  readonly #make: (order: EpochOrder) => Promise<Epoch>;
  readonly #lengths: EpochLengths;
  readonly #callbacks: EpochCallbacks;
  readonly #scheduler: Scheduler;
  #active: Epoch;
  #pending: Epoch | undefined;
  #making: Promise<Epoch> | undefined;
  #rotating: Promise<void> | undefined;
  #ended = false;
  /** Alive, oldest first, with what takes back their timers. */
  readonly #alive = new Map<Epoch, (() => void)[]>();
  readonly #byKeyId = new Map<number, { readonly key: GatewayKey; readonly epoch: Epoch }>();

  private constructor(
    first: Epoch,
    make: (order: EpochOrder) => Promise<Epoch>,
    lengths: EpochLengths,
    callbacks: EpochCallbacks,
    scheduler: Scheduler,
  ) {
    this.#make = make;
    this.#lengths = lengths;
    this.#callbacks = callbacks;
    this.#scheduler = scheduler;
    this.#active = first;
    this.#admit(first);
    this.#activate(first);
  }

  /** Makes the first epoch and starts the schedule. */
  static async begin(
    make: (order: EpochOrder) => Promise<Epoch>,
    lengths: EpochLengths,
    callbacks: EpochCallbacks,
    scheduler: Scheduler,
  ): Promise<EpochSchedule> {
    const first = await make({ usedKeyIds: new Set(), lifeSeconds: lifeOf(lengths) });
    return new EpochSchedule(first, make, lengths, callbacks, scheduler);
  }

  /** The epoch on offer. */
  get current(): Epoch {
    return this.#active;
  }

  /** The epochs beside the current one whose keys open requests too: pending and stale, the youngest first. */
  get others(): readonly Epoch[] {
    return [...this.#alive.keys()].filter((epoch) => epoch !== this.#active).reverse();
  }

  /** The key of an id, pending, active or stale; undefined once erased. */
  find(keyId: number): { readonly key: GatewayKey; readonly coreDigest: string } | undefined {
    const found = this.#byKeyId.get(keyId);
    return found && { key: found.key, coreDigest: found.epoch.coreDigest };
  }

  /** Starts the next epoch now; the current one becomes stale. Calls during a rotation join it. */
  rotate(): Promise<void> {
    this.#rotating ??= this.#rotate().finally(() => {
      this.#rotating = undefined;
    });
    return this.#rotating;
  }

  /** Rotates when this key is on offer. A stale key is on its way out already, and the key may be gone. */
  rotateAway(keyId: number): void {
    if (this.#byKeyId.get(keyId)?.epoch === this.#active) this.rotate().catch(() => {});
  }

  /** Erases every key and ends the timers. */
  end(): void {
    this.#ended = true;
    for (const epoch of [...this.#alive.keys()]) this.#drop(epoch);
  }

  async #rotate(): Promise<void> {
    const next = this.#pending ?? (await this.#prepare(0));
    if (this.#ended) return;
    this.#pending = undefined;
    this.#activate(next);
  }

  /** Makes the next epoch, pending until it is activated. Calls meanwhile share it. */
  #prepare(leadSeconds: number): Promise<Epoch> {
    this.#making ??= this.#make({
      usedKeyIds: new Set(this.#byKeyId.keys()),
      lifeSeconds: leadSeconds + lifeOf(this.#lengths),
    })
      .then((epoch) => {
        if (this.#ended) for (const key of epoch.keys) key.erase();
        else {
          this.#pending = epoch;
          this.#admit(epoch);
          this.#callbacks.onChanged();
        }
        return epoch;
      })
      .finally(() => {
        this.#making = undefined;
      });
    return this.#making;
  }

  get #leadSeconds(): number {
    return Math.min(LEAD_SECONDS, this.#lengths.seconds / 10);
  }

  #admit(epoch: Epoch): void {
    for (const key of epoch.keys) this.#byKeyId.set(key.config.keyId, { key, epoch });
    this.#alive.set(epoch, []);
  }

  #activate(epoch: Epoch): void {
    this.#active = epoch;
    const { seconds } = this.#lengths;
    this.#after(epoch, seconds - this.#leadSeconds, () => this.#insist(epoch, () => this.#prepareOnce()));
    this.#after(epoch, seconds, () => this.#insist(epoch, () => this.rotate()));
    this.#after(epoch, lifeOf(this.#lengths), () => this.#erase(epoch));
    for (const oldest of this.#alive.keys()) {
      if (this.#alive.size <= MOST_EPOCHS) break;
      if (oldest !== epoch) this.#erase(oldest);
    }
    this.#callbacks.onStarted(epoch);
    this.#callbacks.onChanged();
  }

  async #prepareOnce(): Promise<void> {
    if (this.#pending === undefined) await this.#prepare(this.#leadSeconds);
  }

  /** Tries until it succeeds, or the epoch that it was meant to follow is no longer the active one. */
  #insist(epoch: Epoch, action: () => Promise<void>): void {
    if (this.#ended || this.#active !== epoch) return;
    action().catch(() => this.#scheduler.after(REMAKE_MILLISECONDS, () => this.#insist(epoch, action)));
  }

  #erase(epoch: Epoch): void {
    this.#drop(epoch);
    this.#callbacks.onErased(epoch);
    this.#callbacks.onChanged();
  }

  #drop(epoch: Epoch): void {
    for (const takeBack of this.#alive.get(epoch) ?? []) takeBack();
    this.#alive.delete(epoch);
    for (const key of epoch.keys) {
      key.erase();
      this.#byKeyId.delete(key.config.keyId);
    }
  }

  #after(epoch: Epoch, seconds: number, action: () => void): void {
    this.#alive.get(epoch)?.push(this.#scheduler.after(seconds * 1000, action));
  }
}

function lifeOf(lengths: EpochLengths): number {
  return lengths.seconds + lengths.overlapSeconds;
}
