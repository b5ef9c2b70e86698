// Keeps an attestation result for every epoch: asks for one at first, renews it well before clients would refuse it, never later.

import { type AttestationBundle, encodeBundle } from '../../shared/evidence/bundle.ts';
import type { AttestationService } from '../attestation-service/appraise.ts';
import type { Epoch } from './make-epoch.ts';

/** A result is renewed at this age: clients take it until 15 minutes, and read it through caches that may hold it for one. */
export const RENEW_RESULT_SECONDS = 5 * 60;

/** An epoch with what vouches for it. */
export interface Affirmation {
  readonly result: string;
  readonly parts: AttestationBundle;
  /** The bundle with that result: exact octets, to be pushed and handed out. */
  readonly bundle: ReturnType<typeof encodeBundle>;
  readonly issuedAt: Date;
}

/** Results by epoch. */
export class Affirmations {
  readonly #service: AttestationService;
  readonly #now: () => Date;
  readonly #latest = new WeakMap<Epoch, Affirmation>();

  constructor(service: AttestationService, now: () => Date) {
    this.#service = service;
    this.#now = now;
  }

  /**
   * A result of at most 5 minutes: the one at hand, or a new one.
   * @throws VerificationError, NodeRevokedError when the service does not vouch; the result at hand is then not offered any more.
   */
  async affirm(epoch: Epoch): Promise<Affirmation> {
    const now = this.#now();
    const known = this.#latest.get(epoch);
    if (known && Math.abs(now.getTime() - known.issuedAt.getTime()) < RENEW_RESULT_SECONDS * 1000)
      return known;
    this.#latest.delete(epoch);
    const { result, service } = await this.#service.appraise(epoch.bundle, now);
    const parts: AttestationBundle = {
      ...epoch.parts,
      ...(service === undefined ? {} : { service }),
      result,
    };
    const affirmation = { result, parts, bundle: encodeBundle(parts), issuedAt: now };
    this.#latest.set(epoch, affirmation);
    return affirmation;
  }

  /** What vouches for an epoch beside its evidence, if anything does. */
  latest(epoch: Epoch): Affirmation | undefined {
    return this.#latest.get(epoch);
  }
}
