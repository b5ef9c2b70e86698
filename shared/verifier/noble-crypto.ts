// A second provider: ECDSA by @noble/curves, for runtimes whose WebCrypto lacks P-384, and to check the first against.

import { type VerifierCrypto, webCrypto } from './verifier-crypto.ts';

/**
 * P-384 and P-256 in JavaScript; RSA and digests stay with WebCrypto. About eight times slower on P-384. The curves are loaded with
 * the first signature, so that whoever only could use them carries none of their weight.
 */
export const nobleCrypto: VerifierCrypto = {
  ...webCrypto,
  async verifyEcdsaP384(point, signature, message) {
    const { p384 } = await import('@noble/curves/nist.js');
    try {
      // AMD's signatures follow no low-S rule.
      return p384.verify(signature, message, point, { lowS: false, prehash: true, format: 'compact' });
    } catch {
      return false;
    }
  },
  async verifyEcdsaP256(point, signature, message) {
    const { p256 } = await import('@noble/curves/nist.js');
    try {
      // Intel's neither.
      return p256.verify(signature, message, point, { lowS: false, prehash: true, format: 'compact' });
    } catch {
      return false;
    }
  },
};
