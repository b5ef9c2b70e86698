// How long a verified node is used, and what happens beside the requests that use it.

import { describe, expect, test, vi } from 'vitest';
import { now as start } from '../../backend/tee/simulated-node.ts';
import { chat, connect, FakeEdge, startNode } from './harness/in-process.ts';

const verifications = (edge: FakeEdge) =>
  edge.calls.filter((call) => call.startsWith('GET /directory/nodes/')).length;

async function session(lengths = { seconds: 3600, overlapSeconds: 3600 }) {
  let seconds = 0;
  const now = () => new Date(start.getTime() + seconds * 1000);
  const edge = new FakeEdge();
  const node = await startNode({ now, lengths });
  await edge.register(node);
  const cloister = await connect(edge, { now });
  return {
    edge,
    node,
    cloister,
    pass: (by: number) => {
      seconds += by;
    },
  };
}

describe('a verified session', () => {
  test('is one verification for many requests', async () => {
    const { cloister, edge } = await session();
    for (let i = 0; i < 5; i++) expect((await cloister.fetch(...chat())).status).toBe(200);
    expect(verifications(edge)).toBe(1);
  });

  test('is refreshed beside a request in the second half of its life, which does not wait for it', async () => {
    const { cloister, edge, node, pass } = await session();
    const first = await cloister.verify();
    pass(3601);
    await node.epochs.rotate();
    await edge.register(node);
    expect((await cloister.fetch(...chat())).status).toBe(200);
    await vi.waitFor(() => expect(cloister.node?.route).not.toBe(first.route));
    expect(verifications(edge)).toBe(2);
  });

  test('is verified anew before a request when a minute is left', async () => {
    const { cloister, node, edge, pass } = await session();
    await cloister.verify();
    pass(7141);
    expect(cloister.node).toBeUndefined();
    await node.epochs.rotate();
    await edge.register(node);
    expect((await cloister.fetch(...chat())).status).toBe(200);
    expect(verifications(edge)).toBe(2);
  });

  test('of a short life still serves most of it', async () => {
    const { cloister, edge, pass } = await session({ seconds: 60, overlapSeconds: 0 });
    await cloister.verify();
    pass(25);
    expect(cloister.node).toBeDefined();
    pass(21);
    expect(cloister.node).toBeUndefined();
    expect(verifications(edge)).toBe(1);
  });

  test('never sends to a node that did not verify', async () => {
    const { cloister, edge, pass } = await session();
    await cloister.verify();
    // The node did not rotate: its statement has ended.
    pass(7300);
    await expect(cloister.fetch(...chat())).rejects.toMatchObject({ name: 'VerificationError' });
    expect(edge.posts).toBe(0);
  });

  test('without a node says so, and sends nothing', async () => {
    const { cloister, edge, node } = await session();
    edge.remove(node);
    await expect(cloister.fetch(...chat())).rejects.toMatchObject({ code: 'no_node_available' });
    expect(edge.posts).toBe(0);
  });
});
