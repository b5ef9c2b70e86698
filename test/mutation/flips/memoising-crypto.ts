// A provider for tests that remembers what it verified: of thousands of nearly equal inputs, the part that did not change costs nothing.

import { createHash } from 'node:crypto';
import { type VerifierCrypto, webCrypto } from '../../../shared/verifier/verifier-crypto.ts';

/** Answers are remembered by the hash of all inputs, so none can be taken for another. */
export function memoisingCrypto(base: VerifierCrypto = webCrypto): VerifierCrypto {
  const known = new Map<string, boolean>();
  const remember = async (
    name: string,
    inputs: readonly (Uint8Array | string)[],
    ask: () => Promise<boolean>,
  ): Promise<boolean> => {
    const hash = createHash('sha256').update(name);
    for (const input of inputs) hash.update(`|${input.length}|`).update(input);
    const key = hash.digest('base64');
    const answer = known.get(key);
    if (answer !== undefined) return answer;
    const found = await ask();
    // What fails fails once: only what holds comes again.
    if (found) known.set(key, found);
    return found;
  };
  return {
    ...base,
    verifyEcdsaP384: (...inputs) => remember('P-384', inputs, () => base.verifyEcdsaP384(...inputs)),
    verifyEcdsaP256: (...inputs) => remember('P-256', inputs, () => base.verifyEcdsaP256(...inputs)),
    verifyRsaPss: (...inputs) => remember('PSS', inputs, () => base.verifyRsaPss(...inputs)),
    verifyRsaPkcs1: (key, ...inputs) =>
      remember('PKCS1', [key.n, key.e, ...inputs], () => base.verifyRsaPkcs1(key, ...inputs)),
  };
}
