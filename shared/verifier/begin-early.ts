// Lets independent signatures be verified at the same time, while the steps that ask for them stay in their order.

import type { Bytes } from '../bytes/concat.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';

/** A document that was read once: what it says, or why it was refused, for the step that asks. */
export class Reading<T> {
  readonly #outcome: { readonly value: T } | { readonly error: unknown };

  constructor(read: () => T) {
    try {
      this.#outcome = { value: read() };
    } catch (error) {
      this.#outcome = { error };
    }
  }

  /** What it says; throws what reading it threw. */
  get value(): T {
    if ('error' in this.#outcome) throw this.#outcome.error;
    return this.#outcome.value;
  }

  /** Does something with it if it could be read. */
  ifRead(use: (value: T) => void): void {
    if ('value' in this.#outcome) use(this.#outcome.value);
  }
}

interface Begun {
  readonly point: Bytes;
  readonly message: Bytes;
  readonly holds: Promise<boolean>;
}

/** A provider whose P-256 verifications can be begun before they are asked for. */
export interface EarlyCrypto extends VerifierCrypto {
  /** Begins one. An answer is given only to whoever asks with the very same three arrays. */
  begin(point: Bytes, signature: Bytes, message: Bytes): void;
}

/** Wraps a provider for the time of one verification, whose arrays nobody else can change. */
export function beginEarly(crypto: VerifierCrypto): EarlyCrypto {
  const begun = new Map<Bytes, Begun>();
  return {
    ...crypto,
    begin(point, signature, message) {
      const holds = crypto.verifyEcdsaP256(point, signature, message);
      // Whoever asks hears of a failure; if a step before it ends the verification, nobody does.
      holds.catch(() => undefined);
      begun.set(signature, { point, message, holds });
    },
    verifyEcdsaP256(point, signature, message) {
      const known = begun.get(signature);
      return known && known.point === point && known.message === message
        ? known.holds
        : crypto.verifyEcdsaP256(point, signature, message);
    },
  };
}
