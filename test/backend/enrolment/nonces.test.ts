// Nonces at the node: one quote at a time, batches of what came meanwhile, nothing for those whom the edge did not admit.

import { Hono } from 'hono';
import { describe, expect, test } from 'vitest';
import { Admission } from '../../../backend/adapter/admission.ts';
import { addNonceRoute } from '../../../backend/adapter/nonce-route.ts';
import { createAttestationService } from '../../../backend/attestation-service/appraise.ts';
import { Affirmations } from '../../../backend/enrolment/affirm.ts';
import { makeFreshBundles } from '../../../backend/enrolment/fresh-bundles.ts';
import { makeEpoch } from '../../../backend/enrolment/make-epoch.ts';
import { NonceBatcher, NoncesBusyError } from '../../../backend/enrolment/nonce-batcher.ts';
import { nodeCryptoProvider } from '../../../backend/keys/node-crypto-provider.ts';
import { generateReceiptKey } from '../../../backend/keys/receipt-key.ts';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { createSimulatedTee } from '../../../backend/tee/simulated/tee.ts';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { leafHash, provesInclusion } from '../../../shared/bytes/merkle-tree.ts';
import { parseBundle } from '../../../shared/evidence/bundle.ts';
import { encodeDeployment } from '../../../shared/manifest/deployment.ts';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { noncePath } from '../../../shared/wire/routes.ts';
import { importTicketKey, makeTicket } from '../../../shared/wire/ticket.ts';
import { deployment, measurement, now, random, simulatedNode, testPlatform } from '../tee/simulated-node.ts';

describe('a batcher', () => {
  function slowQuotes(maximum?: number) {
    const roots: Bytes[] = [];
    const ends: ((error?: Error) => void)[] = [];
    const batcher = new NonceBatcher((root) => {
      roots.push(root);
      return new Promise((resolve, reject) =>
        ends.push((error) => (error ? reject(error) : resolve({ statement: root, evidence: [] }))),
      );
    }, maximum);
    const settle = () => new Promise((resolve) => setTimeout(resolve, 20));
    const end = async (index: number, error?: Error) => {
      await settle();
      ends[index]?.(error);
    };
    return { roots, batcher, end, settle };
  }

  test('answers what comes during a quote with the next one, each with a path of its own', async () => {
    const { roots, batcher, end, settle } = slowQuotes();
    const nonces = Array.from({ length: 6 }, () => random(32));
    const first = batcher.answer(nonces[0] as Bytes);
    await settle();
    const rest = nonces.slice(1).map((nonce) => batcher.answer(nonce));
    await end(0);
    await end(1);
    const answers = await Promise.all([first, ...rest]);
    expect(roots).toHaveLength(2);
    for (const [index, { statement, freshness }] of answers.entries()) {
      if (freshness?.kind !== 'nonces') throw new Error('no path');
      expect(freshness.size).toBe(index === 0 ? 1 : 5);
      expect(await provesInclusion(await leafHash(nonces[index] as Bytes), freshness, statement)).toBe(true);
    }
  });

  test('is bounded: what would not fit the next batch is refused at once', async () => {
    const { batcher, end, settle } = slowQuotes(3);
    const first = batcher.answer(random(32));
    await settle();
    const waiting = [1, 2, 3].map(() => batcher.answer(random(32)));
    await expect(batcher.answer(random(32))).rejects.toBeInstanceOf(NoncesBusyError);
    await end(0);
    await end(1);
    await Promise.all([first, ...waiting]);
    const after = batcher.answer(random(32));
    await end(2);
    await after;
  });

  test('goes on after a quote that failed, which fails its own batch only', async () => {
    const { batcher, end } = slowQuotes();
    const lost = batcher.answer(random(32));
    const refused = expect(lost).rejects.toThrow('no quote');
    await end(0, new Error('no quote'));
    await refused;
    const next = batcher.answer(random(32));
    await end(1);
    await next;
  });

  test('refuses a nonce of another length', async () => {
    const { batcher } = slowQuotes();
    for (const octets of [0, 31, 33])
      await expect(batcher.answer(random(octets))).rejects.toThrow(RangeError);
  });
});

describe('a node', () => {
  async function node() {
    const all = [simulatedReferenceValue([toHex(measurement)])];
    const { parts, policy } = await simulatedNode({
      manifest: { attestation_service: 'required', reference_values: { all } },
    });
    const vouchers = { tee: createSimulatedTee({ platform: await testPlatform(), measurement }) };
    const receiptKey = generateReceiptKey();
    const id = random(16);
    const epoch = await makeEpoch(
      {
        node: id,
        role: 'all',
        receiptPublicKey: receiptKey.publicOctets,
        manifest: parts.manifest,
        deployment: encodeDeployment(deployment),
        probeDigest: random(32),
      },
      { ...vouchers, provider: nodeCryptoProvider, random, now, lifeSeconds: 3600, usedKeyIds: new Set() },
    );
    const service = await createAttestationService({ policy, key: receiptKey });
    const affirmations = new Affirmations(service, () => now);
    await affirmations.affirm(epoch);
    const freshBundle = makeFreshBundles({ epoch: () => epoch, affirmations, vouchers });
    const admission = new Admission();
    const ticketKey = random(32);
    await admission.renew(ticketKey);
    const app = new Hono();
    addNonceRoute(app, { node: toBase64url(id), admission, now: () => now, freshBundle });
    const ticket = await makeTicket(await importTicketKey(ticketKey), {
      account: 'public',
      request: 'r',
      maxRequestBytes: 0,
      expires: Math.floor(now.getTime() / 1000) + 60,
    });
    const ask = (
      nonce: string,
      name = toBase64url(id),
      headers: Record<string, string> = { 'cloister-ticket': ticket },
    ) => app.request(noncePath(name, nonce), { headers });
    return { policy, freshBundle, ask, epoch };
  }

  test('answers with a sibling of its statement over the same core, and the same result', async () => {
    const { policy, freshBundle, epoch } = await node();
    const nonces = Array.from({ length: 3 }, () => random(32));
    const bundles = await Promise.all(nonces.map(freshBundle));
    for (const [index, bundle] of bundles.entries()) {
      const freshness = { kind: 'nonce', nonce: nonces[index] as Bytes } as const;
      const verification = await verifyBundle(bundle, policy, { now, freshness });
      if (!verification.ok) throw new Error(verification.failure.code);
      expect(verification.key.coreDigest).toBe(epoch.coreDigest);
      const other = { kind: 'nonce', nonce: nonces[(index + 1) % 3] as Bytes } as const;
      expect(await verifyBundle(bundle, policy, { now, freshness: other })).toMatchObject({
        failure: { code: 'evidence_freshness_nonce' },
      });
    }
    expect(parseBundle(bundles[0] as Bytes).node.statement).not.toEqual(epoch.parts.node.statement);
  });

  test('answers those whom its edge admitted, and nobody else', async () => {
    const { ask } = await node();
    const nonce = toBase64url(random(32));
    const good = await ask(nonce);
    expect(good.status).toBe(200);
    expect(good.headers.get('cache-control')).toBe('no-store');
    expect((await ask(nonce, undefined, {})).status).toBe(403);
    expect((await ask(nonce, undefined, { 'cloister-ticket': 'v1.e30.AAAA' })).status).toBe(403);
    expect((await ask(nonce, toBase64url(random(16)))).status).toBe(404);
    expect((await ask('AAAA')).status).toBe(404);
    expect((await ask(`${nonce}=`)).status).toBe(404);
  });
});
