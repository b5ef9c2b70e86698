// Remembers which signatures held: a fleet's nodes share chains and lists, and a session verifies the same ones again and again.

import type { Bytes } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import { toHex } from '../bytes/hex.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';

/** A fleet of a hundred chips has two signatures each; what they share is a handful. */
const MOST_SIGNATURES = 512;

interface Remembered {
  readonly key: Bytes;
  readonly message: Bytes;
}

/**
 * A provider that verifies each signature once. What is remembered is that a signature of this very message by this very key held, compared
 * octet by octet: no entry can be wrong or out of date, whatever time and policy a later verification has. Refusals are not kept.
 * Values, not promises: workerd lets no request await another's.
 */
export function rememberSignatures(crypto: VerifierCrypto, most: number = MOST_SIGNATURES): VerifierCrypto {
  const held = new Map<string, Remembered>();

  type Verify = (key: Bytes, signature: Bytes, message: Bytes) => Promise<boolean>;
  const remembering =
    (algorithm: string, verify: Verify): Verify =>
    async (key, signature, message) => {
      const name = `${algorithm} ${toHex(signature)}`;
      const known = held.get(name);
      if (known && equalBytes(known.key, key) && equalBytes(known.message, message)) return true;
      // Copied before the wait: what is remembered is what was verified.
      const entry = { key: key.slice(), message: message.slice() };
      const holds = await verify(entry.key, signature.slice(), entry.message);
      if (holds) {
        held.set(name, entry);
        const [oldest] = held.keys();
        if (oldest !== undefined && held.size > most) held.delete(oldest);
      }
      return holds;
    };

  return {
    ...crypto,
    verifyEcdsaP384: remembering('p384', (key, signature, message) =>
      crypto.verifyEcdsaP384(key, signature, message),
    ),
    verifyEcdsaP256: remembering('p256', (key, signature, message) =>
      crypto.verifyEcdsaP256(key, signature, message),
    ),
    verifyRsaPss: remembering('pss', (key, signature, message) =>
      crypto.verifyRsaPss(key, signature, message),
    ),
  };
}
