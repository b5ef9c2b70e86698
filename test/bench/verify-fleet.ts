// How long the bundles of 32 nodes take to verify, each of a chip of its own, with what they share verified once.

import { generateKeyPairSync } from 'node:crypto';
import { makeLeaf } from '../../backend/tee/simulated/leaf-certificate.ts';
import { SIMULATED_TCB, type SimulatedPlatform } from '../../backend/tee/simulated/platform.ts';
import { rememberSignatures } from '../../shared/verifier/remember-signatures.ts';
import { type VerifierCrypto, webCrypto } from '../../shared/verifier/verifier-crypto.ts';
import { verifyBundle } from '../../shared/verifier/verify-bundle.ts';
import { detachBlobs } from '../../shared/wire/bundle-blobs.ts';
import { now, random, simulatedNode, testPlatform } from '../backend/tee/simulated-node.ts';
import { type FigureGroup, figure } from './measure.ts';

const NODES = 32;
const ROUNDS = 10;
const YEAR = 365 * 86_400_000;

/** Figures of a fleet, each beside the same bundles taken one by one: time with shared endorsements verified once, and octets to fetch. */
export const verifyFleetFigures: FigureGroup = async function* () {
  const nodes = await Promise.all(
    Array.from({ length: NODES }, async () =>
      simulatedNode({ platform: await anotherChip(), core: { node: random(16) } }),
    ),
  );
  const verifyAll = async (crypto: VerifierCrypto): Promise<number> => {
    const began = performance.now();
    for (const { bundle, policy } of nodes) {
      const verification = await verifyBundle(bundle, policy, { now, crypto });
      if (!verification.ok) throw new Error(verification.failure.code);
    }
    return performance.now() - began;
  };
  const session = rememberSignatures(webCrypto);
  await verifyAll(session);
  const best = {
    alone: Number.POSITIVE_INFINITY,
    shared: Number.POSITIVE_INFINITY,
    again: Number.POSITIVE_INFINITY,
  };
  for (let round = 0; round < ROUNDS; round++) {
    best.alone = Math.min(best.alone, await verifyAll(webCrypto));
    best.shared = Math.min(best.shared, await verifyAll(rememberSignatures(webCrypto)));
    best.again = Math.min(best.again, await verifyAll(session));
  }
  yield figure(`verify ${NODES} chips' bundles, shared parts once`, best.shared, 'ms', best.alone);
  yield figure(`verify ${NODES} chips' bundles again, same session`, best.again, 'ms', best.alone);

  const blobs = new Map<string, number>();
  let fetched = 0;
  for (const { bundle } of nodes) {
    const detached = await detachBlobs(bundle);
    fetched += detached.document.length;
    for (const blob of detached.blobs) blobs.set(Buffer.from(blob).toString('base64'), blob.length);
  }
  for (const length of blobs.values()) fetched += length;
  const whole = nodes.reduce((sum, { bundle }) => sum + bundle.length, 0);
  yield figure(`fetch ${NODES} bundles, shared parts once`, fetched / 1024, 'KiB', whole / 1024);
};

// A machine of its own under the same root and intermediate.
async function anotherChip(): Promise<SimulatedPlatform> {
  const platform = await testPlatform();
  const chip = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const chipId = random(64);
  const dates = { notBefore: new Date(now.getTime() - YEAR / 12), notAfter: new Date(now.getTime() + YEAR) };
  const leaf = { structVersion: 0, tcb: SIMULATED_TCB, hwId: chipId, ...dates };
  const vcek = makeLeaf(leaf, chip.publicKey, platform.keys.ask);
  return {
    ...platform,
    chipId,
    keys: { ...platform.keys, chip: chip.privateKey },
    certificates: { ...platform.certificates, vcek },
  };
}
