import { describe, expect, it } from 'vitest';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { rememberSignatures } from '../../../shared/verifier/remember-signatures.ts';
import { type VerifierCrypto, webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { now, simulatedNode } from '../../backend/tee/simulated-node.ts';

/** A provider that counts, and says yes to keys that begin with 1. */
function counting(): { provider: VerifierCrypto; calls: () => number } {
  let calls = 0;
  const verify = async (key: Bytes): Promise<boolean> => {
    calls++;
    return key[0] === 1;
  };
  return {
    provider: { ...webCrypto, verifyEcdsaP384: verify, verifyEcdsaP256: verify, verifyRsaPss: verify },
    calls: () => calls,
  };
}
const octets = (...values: number[]): Bytes => Uint8Array.from(values);

describe('remembered signatures', () => {
  it('are verified once, by key, signature, message and algorithm together', async () => {
    const { provider, calls } = counting();
    const crypto = rememberSignatures(provider);
    const [key, signature, message] = [octets(1), octets(2), octets(3)];
    for (let i = 0; i < 3; i++) expect(await crypto.verifyEcdsaP384(key, signature, message)).toBe(true);
    expect(calls()).toBe(1);
    await crypto.verifyEcdsaP256(key, signature, message);
    await crypto.verifyEcdsaP384(octets(1, 1), signature, message);
    await crypto.verifyEcdsaP384(key, octets(2, 2), message);
    await crypto.verifyEcdsaP384(key, signature, octets(3, 3));
    expect(calls()).toBe(5);
  });
  it('never answer for another key, message or signature than those that held', async () => {
    const { provider } = counting();
    const crypto = rememberSignatures(provider);
    await crypto.verifyRsaPss(octets(1), octets(2), octets(3));
    expect(await crypto.verifyRsaPss(octets(0), octets(2), octets(3))).toBe(false);
    const changing = octets(1);
    await crypto.verifyRsaPss(changing, octets(9), octets(3));
    changing[0] = 0;
    expect(await crypto.verifyRsaPss(changing, octets(9), octets(3))).toBe(false);
  });
  it('hold for the message that was signed and for no other', async () => {
    const provider: VerifierCrypto = {
      ...webCrypto,
      verifyEcdsaP384: async (_key, _signature, message) => message[0] === 3,
    };
    const crypto = rememberSignatures(provider);
    expect(await crypto.verifyEcdsaP384(octets(1), octets(2), octets(3))).toBe(true);
    expect(await crypto.verifyEcdsaP384(octets(1), octets(2), octets(4))).toBe(false);
  });
  it('are not kept when they do not hold, nor beyond their number', async () => {
    const { provider, calls } = counting();
    const crypto = rememberSignatures(provider, 2);
    for (let i = 0; i < 2; i++)
      expect(await crypto.verifyRsaPss(octets(0), octets(2), octets(3))).toBe(false);
    expect(calls()).toBe(2);
    for (const signature of [5, 6, 7, 5]) await crypto.verifyRsaPss(octets(1), octets(signature), octets(3));
    expect(calls()).toBe(6);
  });
  it('change no verdict: what expired in between is refused', async () => {
    const crypto = rememberSignatures(webCrypto);
    const { bundle, policy } = await simulatedNode();
    expect((await verifyBundle(bundle, policy, { now, crypto })).ok).toBe(true);
    const later = new Date(now.getTime() + 3_601_000);
    expect(await verifyBundle(bundle, policy, { now: later, crypto })).toMatchObject({
      failure: { code: 'evidence_statement_not_valid_now' },
    });
    const forged = await simulatedNode({ fault: 'forged-report' });
    expect(await verifyBundle(forged.bundle, forged.policy, { now, crypto })).toMatchObject({
      failure: { code: 'evidence_report_signature' },
    });
  });
});
