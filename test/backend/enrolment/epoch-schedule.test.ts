// Epochs on a clock that is turned by hand: what is pending, active, stale and erased, and what clients notice of it.

import { describe, expect, test } from 'vitest';
import { EpochSchedule } from '../../../backend/enrolment/epoch-schedule.ts';
import type { Epoch } from '../../../backend/enrolment/make-epoch.ts';
import { nodeCryptoProvider } from '../../../backend/keys/node-crypto-provider.ts';
import { generateGatewayKey, isErased } from '../../../shared/sealing/gateway-key.ts';
import { encodeKeyConfigList } from '../../../shared/sealing/key-config.ts';
import { sealRequest } from '../../../shared/sealing/seal-request.ts';
import { X25519_SUITE } from '../../../shared/sealing/suite.ts';
import {
  chat,
  codeOf,
  connect,
  FakeClock,
  FakeEdge,
  startNode,
} from '../../shared/client/harness/in-process.ts';

const HOUR = 3600;
const none = new Uint8Array(0);
const lengths = { seconds: HOUR, overlapSeconds: HOUR };
/** Lets what was begun by a timer end: keys, a statement, evidence. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

async function schedule(over: { make?: () => void; lengths?: typeof lengths } = {}) {
  const clock = new FakeClock();
  const orders: number[] = [];
  const erased: string[] = [];
  let changes = 0;
  let made = 0;
  const epochs = await EpochSchedule.begin(
    async ({ usedKeyIds, lifeSeconds }): Promise<Epoch> => {
      if (made > 0) over.make?.();
      orders.push(lifeSeconds);
      let keyId = made++;
      while (usedKeyIds.has(keyId)) keyId++;
      const key = await generateGatewayKey({ keyId, suites: [X25519_SUITE], provider: nodeCryptoProvider });
      return {
        keys: [key],
        keyList: encodeKeyConfigList([key.config]),
        coreDigest: `core ${keyId}`,
        parts: { version: 1, manifest: none, node: { statement: none, evidence: [] } },
        bundle: none,
        core: none,
        notBefore: clock.now,
        notAfter: clock.now,
      };
    },
    over.lengths ?? lengths,
    {
      onChanged: () => changes++,
      onStarted: () => {},
      onErased: ({ coreDigest }) => erased.push(coreDigest),
    },
    clock,
  );
  const view = () => ({ active: epochs.current.coreDigest, others: epochs.others.map((e) => e.coreDigest) });
  return { clock, epochs, orders, erased, view, changes: () => changes };
}

describe('an epoch', () => {
  test('is pending a minute before it is active, stale after an hour, erased after two', async () => {
    const { clock, epochs, view, erased, orders } = await schedule();
    const first = epochs.current;
    expect(view()).toEqual({ active: 'core 0', others: [] });
    clock.pass(HOUR - 61);
    await settle();
    expect(view().others).toEqual([]);
    clock.pass(1);
    await settle();
    expect(view()).toEqual({ active: 'core 0', others: ['core 1'] });
    expect(epochs.find(1)?.coreDigest).toBe('core 1');
    clock.pass(60);
    await settle();
    expect(view()).toEqual({ active: 'core 1', others: ['core 0'] });
    expect(epochs.find(0)?.coreDigest).toBe('core 0');
    clock.pass(HOUR - 1);
    await settle();
    expect(isErased(first.keys[0] as never)).toBe(false);
    clock.pass(1);
    await settle();
    expect(view()).toEqual({ active: 'core 2', others: ['core 1'] });
    expect(erased).toEqual(['core 0']);
    expect(epochs.find(0)).toBeUndefined();
    expect(isErased(first.keys[0] as never)).toBe(true);
    // A pending epoch is made a minute early and lives that much longer.
    expect(orders).toEqual([2 * HOUR, 2 * HOUR + 60, 2 * HOUR + 60]);
  });

  test('tells its owner of every change, so that routes follow', async () => {
    const { clock, changes } = await schedule();
    const before = changes();
    clock.pass(HOUR - 60);
    await settle();
    expect(changes()).toBe(before + 1);
    clock.pass(60);
    await settle();
    expect(changes()).toBe(before + 2);
  });

  test('is insisted on while it cannot be made, and the old one serves until its end', async () => {
    let broken = true;
    const { clock, view, erased, epochs } = await schedule({
      make: () => {
        if (broken) throw new Error('no quote');
      },
    });
    for (let minute = 0; minute < 70; minute++) {
      clock.pass(60);
      await settle();
    }
    expect(view()).toEqual({ active: 'core 0', others: [] });
    broken = false;
    clock.pass(2);
    await settle();
    expect(epochs.current.coreDigest).toBe('core 1');
    expect(erased).toEqual([]);
  });

  test('is rotated early when its replay table fills, once, and never because a stale one’s does', async () => {
    const { epochs, view } = await schedule();
    epochs.rotateAway(0);
    epochs.rotateAway(0);
    await settle();
    expect(view()).toEqual({ active: 'core 1', others: ['core 0'] });
    epochs.rotateAway(0);
    epochs.rotateAway(77);
    await settle();
    expect(view().active).toBe('core 1');
  });

  test('gives way, the oldest first, when early rotations pile up', async () => {
    const { epochs, erased, view } = await schedule();
    for (let i = 0; i < 6; i++) await epochs.rotate();
    expect([view().active, view().others.length]).toEqual(['core 6', 3]);
    expect(erased).toEqual(['core 0', 'core 1', 'core 2']);
  });

  test('ends with its owner: every key is erased and no timer makes another', async () => {
    const { clock, epochs } = await schedule();
    const [key] = epochs.current.keys;
    epochs.end();
    expect(isErased(key as never)).toBe(true);
    clock.pass(10 * HOUR);
    await settle();
    expect(epochs.find(0)).toBeUndefined();
  });
});

describe('a rotation', () => {
  test('costs no request: four rotations under load, nothing fails and nothing is sent twice', async () => {
    const clock = new FakeClock();
    const now = () => clock.now;
    const node = await startNode({ scheduler: clock, now, lengths: { seconds: 600, overlapSeconds: 600 } });
    const edge = new FakeEdge();
    await edge.register(node);
    // A registration takes a moment, as it does over a network.
    node.onChanged(() => setTimeout(() => void edge.register(node), 5));
    const cloister = await connect(edge, { now });
    const lazy = await connect(edge, { now });
    await lazy.verify();

    const statuses = new Map<number, number>();
    let running = true;
    let sent = 0;
    const ask = async (): Promise<void> => {
      while (running) {
        const response = await cloister.fetch(...chat());
        await response.json();
        sent++;
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      }
    };
    const load = Promise.all([ask(), ask(), ask()]);
    const first = node.epochs.current;
    for (let elapsed = 0; elapsed < 2500; elapsed += 20) {
      clock.pass(20);
      await new Promise((resolve) => setTimeout(resolve, 8));
    }
    running = false;
    await load;
    expect([...statuses.keys()]).toEqual([200]);
    expect(sent).toBeGreaterThan(50);
    expect(node.epochs.current).not.toBe(first);
    expect(node.erased.length).toBeGreaterThanOrEqual(2);
    // No request was even refused and sealed again.
    expect(edge.posts).toBe(sent);
    expect(node.requests).toHaveLength(sent);

    // Who slept through it all is told that nothing was started, verifies and gets an answer.
    expect((await lazy.fetch(...chat())).status).toBe(200);
  }, 30_000);

  test('ends in erasure: what was sealed to the key cannot be opened, and only then are its replays forgotten', async () => {
    const clock = new FakeClock();
    const node = await startNode({ scheduler: clock, now: () => clock.now, lengths });
    const [key] = node.epochs.current.keys;
    if (key === undefined) throw new Error('no key');
    const seal = async () => {
      const { body, contentType } = await sealRequest({
        config: key.config,
        suite: key.suites[0] as never,
        plaintext: new Uint8Array(16),
        provider: nodeCryptoProvider,
      });
      return [new Uint8Array(await new Response(body as never).arrayBuffer()), contentType] as const;
    };
    const kept = await seal();
    // Opened, and then found to hold nothing of sense: spent all the same.
    expect(await codeOf(await node.post(...kept))).toBe('sealed_request_invalid');
    expect(await codeOf(await node.post(...kept))).toBe('replay_detected');
    clock.pass(HOUR);
    await settle();
    clock.pass(HOUR - 1);
    expect(await codeOf(await node.post(...kept))).toBe('replay_detected');
    expect(node.replays.size(key.config.keyId)).toBe(1);
    clock.pass(1);
    const response = await node.post(...kept);
    expect(await codeOf(response)).toBe('key_unknown');
    expect(node.replays.size(key.config.keyId)).toBe(0);
    expect(await codeOf(await node.post(...(await seal())))).toBe('key_unknown');
  });
});
