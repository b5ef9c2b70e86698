// A second provider: ECDSA by @noble/curves, for runtimes whose WebCrypto lacks P-384, and to check the first against.

import { p256, p384 } from '@noble/curves/nist.js';
import { type VerifierCrypto, webCrypto } from './verifier-crypto.ts';

/** P-384 and P-256 in JavaScript; RSA and digests stay with WebCrypto. About eight times slower on P-384. */
export const nobleCrypto: VerifierCrypto = {
  ...webCrypto,
  async verifyEcdsaP384(point, signature, message) {
    try {
      // AMD's signatures follow no low-S rule.
      return p384.verify(signature, message, point, { lowS: false, prehash: true, format: 'compact' });
    } catch {
      return false;
    }
  },
  async verifyEcdsaP256(point, signature, message) {
    try {
      // Intel's neither.
      return p256.verify(signature, message, point, { lowS: false, prehash: true, format: 'compact' });
    } catch {
      return false;
    }
  },
};
