// A revoked node ends for clients within a quarter of an hour, although its edge goes on handing out what it has.

import { expect, test } from 'vitest';
import { createAttestationService } from '../../../backend/attestation-service/appraise.ts';
import { Affirmations } from '../../../backend/enrolment/affirm.ts';
import { makeEpoch } from '../../../backend/enrolment/make-epoch.ts';
import { nodeCryptoProvider } from '../../../backend/keys/node-crypto-provider.ts';
import { generateReceiptKey } from '../../../backend/keys/receipt-key.ts';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { createSimulatedTee } from '../../../backend/tee/simulated/tee.ts';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { createCloister } from '../../../shared/client/create-cloister.ts';
import { encodeDeployment } from '../../../shared/manifest/deployment.ts';
import {
  deployment,
  measurement,
  random,
  simulatedNode,
  now as start,
  testPlatform,
} from '../../backend/tee/simulated-node.ts';
import { startHostileEdge } from '../../harness/hostile-edge.ts';
import { chat, ORIGIN } from './harness/in-process.ts';

const MINUTE = 60;

async function system() {
  const all = [simulatedReferenceValue([toHex(measurement)])];
  const { parts, policy } = await simulatedNode({
    manifest: { attestation_service: 'required', reference_values: { all } },
  });
  let seconds = 0;
  const now = () => new Date(start.getTime() + seconds * 1000);
  const receiptKey = generateReceiptKey();
  const node = random(16);
  const epoch = await makeEpoch(
    {
      node,
      role: 'all',
      receiptPublicKey: receiptKey.publicOctets,
      manifest: parts.manifest,
      deployment: encodeDeployment(deployment),
      probeDigest: random(32),
    },
    {
      tee: createSimulatedTee({ platform: await testPlatform(), measurement }),
      provider: nodeCryptoProvider,
      random,
      now: now(),
      lifeSeconds: 7200,
      usedKeyIds: new Set(),
    },
  );
  const service = await createAttestationService({ policy, key: receiptKey });
  const affirmations = new Affirmations(service, now);
  const id = toBase64url(node);
  const listed = new Map<string, Bytes>();
  const edge = startHostileEdge(listed);
  return {
    service,
    id,
    edge,
    /** What a registration does: the edge gets the bundle with a result of at most five minutes. */
    push: async () => listed.set(id, (await affirmations.affirm(epoch)).bundle),
    pass: (by: number) => {
      seconds += by;
    },
    client: () => createCloister({ baseURL: ORIGIN, apiKey: 'k', policy, fetch: edge.fetch, now }),
  };
}

test('results are renewed every five minutes, and clients go on for as long as they are', async () => {
  const { push, pass, client, edge } = await system();
  const bundles = new Set<string>();
  for (let minute = 0; minute < 40; minute++) {
    bundles.add(toBase64url((await push()).values().next().value as Bytes));
    const { key } = await client().verify();
    expect(key.notAfter.getTime() - start.getTime()).toBeGreaterThan((minute + 10) * MINUTE * 1000);
    pass(MINUTE);
  }
  expect(bundles.size).toBe(8);
  expect(edge.asked.some((call) => call.startsWith('POST'))).toBe(false);
});

test('a revoked node is refused within fifteen minutes of its last result', async () => {
  const { push, pass, client, edge, service, id } = await system();
  await push();
  pass(4 * MINUTE);
  await push();
  const cloister = client();
  await cloister.verify();
  service.revoke(id);
  pass(2 * MINUTE);
  await expect(push()).rejects.toMatchObject({ code: 'node_revoked' });
  // The edge keeps the old bundle; for a while that is still a result of less than fifteen minutes.
  await client().verify();
  pass(9 * MINUTE);
  await client().verify();
  pass(1);
  await expect(client().verify()).rejects.toMatchObject({ code: 'evidence_result_stale' });
  await expect(cloister.fetch(...chat())).rejects.toMatchObject({ code: 'evidence_result_stale' });
  expect(edge.asked.filter((call) => call.startsWith('POST'))).toEqual([]);
});
