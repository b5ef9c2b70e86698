// What a node registers around a rotation.

import { decodeJwt } from 'jose';
import { afterEach, expect, test, vi } from 'vitest';
import { createAttestationService } from '../../../backend/attestation-service/appraise.ts';
import { Affirmations } from '../../../backend/enrolment/affirm.ts';
import { EpochSchedule } from '../../../backend/enrolment/epoch-schedule.ts';
import { makeEpoch } from '../../../backend/enrolment/make-epoch.ts';
import { keepRegistered } from '../../../backend/enrolment/register.ts';
import { nodeCryptoProvider } from '../../../backend/keys/node-crypto-provider.ts';
import { generateReceiptKey } from '../../../backend/keys/receipt-key.ts';
import { createSimulatedTee } from '../../../backend/tee/simulated/tee.ts';
import { fromBase64url, toBase64url } from '../../../shared/bytes/base64url.ts';
import { sha256 } from '../../../shared/bytes/digest.ts';
import { encodeDeployment } from '../../../shared/manifest/deployment.ts';
import { splitKeyList } from '../../../shared/wire/key-list.ts';
import type {
  RegistrationClaims,
  RegistrationRequest,
  ResultClaims,
} from '../../../shared/wire/registration.ts';
import { ORIGIN } from '../../shared/client/harness/in-process.ts';
import { deployment, measurement, now, random, simulatedNode, testPlatform } from '../tee/simulated-node.ts';

afterEach(() => vi.unstubAllGlobals());

test('a registration names pending and stale keys beside the active ones, each under its own result', async () => {
  const { parts, policy } = await simulatedNode();
  const receiptKey = generateReceiptKey();
  const service = await createAttestationService({ policy, key: receiptKey });
  const tee = createSimulatedTee({ platform: await testPlatform(), measurement });
  const identity = {
    node: random(16),
    role: 'worker' as const,
    receiptPublicKey: receiptKey.publicOctets,
    manifest: parts.manifest,
    deployment: encodeDeployment(deployment),
    probeDigest: random(32),
  };
  let renew = (): void => {};
  const epochs = await EpochSchedule.begin(
    (order) => makeEpoch(identity, { tee, provider: nodeCryptoProvider, random, now, ...order }),
    { seconds: 3600, overlapSeconds: 3600 },
    { onChanged: () => renew(), onStarted: () => {}, onErased: () => {} },
    { after: () => () => {} },
  );

  const seen: { active: number[]; others: number[][] }[] = [];
  const ids = (keys: string) => splitKeyList(fromBase64url(keys)).map(({ keyId }) => keyId);
  vi.stubGlobal('fetch', async (_: string, init: RequestInit) => {
    const body = JSON.parse(String(init.body)) as RegistrationRequest;
    const claims = decodeJwt<RegistrationClaims>(body.registration);
    const named = [claims, ...(claims.also ?? [])];
    const results = [body.result, ...(body.also ?? [])].map((jws) => decodeJwt<ResultClaims>(jws));
    expect(results.map((result) => result.cloister_core)).toEqual(named.map(({ core }) => core));
    const digests = named.map(async ({ keys }) => toBase64url(await sha256(fromBase64url(keys))));
    expect(results.map((result) => result.cloister_keys)).toEqual(await Promise.all(digests));
    expect(new Set(results.map(({ sub, cnf }) => sub + cnf.jwk.x)).size).toBe(1);
    if (init.method === 'PUT')
      seen.push({ active: ids(claims.keys), others: (claims.also ?? []).map(({ keys }) => ids(keys)) });
    const expires = Math.floor(now.getTime() / 1000) + 120;
    return Response.json({ ticket_key: toBase64url(random(32)), expires });
  });
  const events: string[] = [];
  const stop = new AbortController();
  const registered = keepRegistered(
    {
      edge: ORIGIN,
      address: 'http://127.0.0.1:9',
      node: toBase64url(identity.node),
      pool: 'default',
      models: ['tiny'],
      receiptKey,
      affirmations: new Affirmations(service, () => now),
      epoch: () => epochs.current,
      otherEpochs: () => epochs.others,
      onTicketKey: async () => {},
      now: () => now,
      log: ({ event }) => events.push(event),
    },
    stop.signal,
  );
  renew = registered.renew;
  const idsOf = (epoch: (typeof epochs)['current']) => epoch.keys.map((key) => key.config.keyId);
  try {
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    expect(seen[0]?.others).toEqual([]);
    const first = epochs.current;
    await epochs.rotate();
    await vi.waitFor(() =>
      expect(seen.at(-1)).toEqual({ active: idsOf(epochs.current), others: [idsOf(first)] }),
    );
    expect(events).not.toContain('registration_failed');
  } finally {
    stop.abort();
    await registered.withdrawn;
  }
});
