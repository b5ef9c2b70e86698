// What the client does after every kind of failure, through the whole path in one process.

import { describe, expect, test } from 'vitest';
import { EngineError } from '../../../backend/engine/engine-error.ts';
import {
  chat,
  codeOf,
  connect,
  dropNode,
  FakeEdge,
  json,
  loseAnswer,
  refuse,
  reset,
  slowAnswer,
  startNode,
  type TestNode,
} from './harness/in-process.ts';

async function start(count = 1) {
  const edge = new FakeEdge();
  const nodes: TestNode[] = [];
  for (let i = 0; i < count; i++) {
    const node = await startNode();
    nodes.push(node);
    await edge.register(node);
  }
  const waits: number[] = [];
  const cloister = await connect(edge, { waits });
  const generations = () => nodes.reduce((sum, node) => sum + node.requests.length, 0);
  /** The node that the client would use now, and the one that it would not. */
  const sides = async (): Promise<[TestNode, TestNode]> => {
    const { key } = await cloister.verify();
    const used = nodes.find((node) => node.id === key.node) as TestNode;
    return [used, nodes.find((node) => node !== used) as TestNode];
  };
  return { edge, nodes, node: nodes[0] as TestNode, waits, cloister, generations, sides };
}

describe('an answer', () => {
  test('arrives as the engine gave it, and the engine saw the request', async () => {
    const { cloister, node } = await start();
    const response = await cloister.fetch(...chat('hello'));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ ok: true });
    expect(response.headers.get('cloister-duplicate-possible')).toBeNull();
    expect(new TextDecoder().decode(node.requests[0]?.body)).toContain('hello');
  });

  test('an error of the engine arrives as itself', async () => {
    const { cloister, node } = await start();
    node.answer = () => json({ error: { code: 'context_length_exceeded' } }, 400);
    const response = await cloister.fetch(...chat());
    expect([response.status, await codeOf(response)]).toEqual([400, 'context_length_exceeded']);
  });

  test.each([
    ['invalid_api_key', 401],
    ['sealed_request_invalid', 400],
    ['ticket_refused', 403],
    ['request_too_large', 413],
  ] as const)('an unsealed %s is final and marked as nobody’s word', async (code, status) => {
    const { cloister, edge } = await start();
    edge.faults.push(refuse(code));
    const response = await cloister.fetch(...chat());
    expect([response.status, await codeOf(response)]).toEqual([status, code]);
    expect(response.headers.get('cloister-authenticated')).toBe('false');
    expect(edge.posts).toBe(1);
  });
});

describe('not started', () => {
  test.each(['key_unknown', 'no_node_available'] as const)(
    'after an unsealed %s another verified node gets the request, at once and unmarked',
    async (code) => {
      const { cloister, edge, waits, sides } = await start(2);
      const [used, other] = await sides();
      edge.faults.push(refuse(code));
      const response = await cloister.fetch(...chat());
      expect(response.status).toBe(200);
      expect(response.headers.get('cloister-duplicate-possible')).toBeNull();
      expect([used.requests.length, other.requests.length]).toEqual([0, 1]);
      expect(waits).toEqual([]);
    },
  );

  test('a single node is asked again, because there is no other', async () => {
    const { cloister, edge, generations } = await start();
    edge.faults.push(refuse('no_node_available'));
    expect((await cloister.fetch(...chat())).status).toBe(200);
    expect(generations()).toBe(1);
  });

  test('it never loops: two reseals, then the caller hears it', async () => {
    const { cloister, edge, generations } = await start(2);
    edge.faults.push(...Array.from({ length: 9 }, () => refuse('no_node_available')));
    const response = await cloister.fetch(...chat());
    expect([response.status, await codeOf(response)]).toEqual([503, 'no_node_available']);
    expect([edge.posts, generations()]).toEqual([3, 0]);
  });

  test('a node that rotated its key away is verified anew', async () => {
    const { cloister, edge, node, generations } = await start();
    await cloister.verify();
    await node.epochs.rotate();
    await node.epochs.rotate();
    await node.epochs.rotate();
    await node.epochs.rotate();
    await node.epochs.rotate();
    await edge.register(node);
    expect((await cloister.fetch(...chat())).status).toBe(200);
    expect([edge.posts, generations()]).toEqual([2, 1]);
  });
});

describe('attestation_mismatch', () => {
  test('is verified anew and resealed once', async () => {
    const { cloister, edge, node, generations } = await start();
    const { epochs } = node;
    const find = epochs.find.bind(epochs);
    let looks = 0;
    epochs.find = (keyId) => {
      const found = find(keyId);
      // A request looks its key up three times; the last time, after opening, is for the digest.
      return found && ++looks === 3 ? { ...found, coreDigest: 'other' } : found;
    };
    expect((await cloister.fetch(...chat())).status).toBe(200);
    expect([edge.posts, generations()]).toEqual([2, 1]);
  });

  test('twice in a row it reaches the caller, sealed', async () => {
    const { cloister, edge, node, generations } = await start();
    const find = node.epochs.find.bind(node.epochs);
    node.epochs.find = (keyId) => {
      const found = find(keyId);
      return found && { ...found, coreDigest: 'other' };
    };
    const response = await cloister.fetch(...chat());
    expect([response.status, await codeOf(response)]).toEqual([421, 'attestation_mismatch']);
    expect(response.headers.get('cloister-authenticated')).toBeNull();
    expect([edge.posts, generations()]).toEqual([2, 0]);
  });
});

describe('nobody knows', () => {
  test.each([
    ['an unsealed 502', refuse('node_unreachable')],
    ['an unsealed 504', refuse('node_timeout')],
    ['an unsealed replay_detected', refuse('replay_detected')],
    ['a reset', reset],
    [
      'an end before the first octet',
      async () => new Response('', { headers: { 'content-type': 'message/ohttp-chunked-res' } }),
    ],
  ])('after %s the same node is asked again, even with another one there', async (_, fault) => {
    const { cloister, edge, waits, sides } = await start(2);
    const [used, other] = await sides();
    edge.faults.push(fault);
    const response = await cloister.fetch(...chat());
    expect(response.status).toBe(200);
    expect(response.headers.get('cloister-duplicate-possible')).toBeNull();
    expect([used.requests.length, other.requests.length]).toEqual([1, 0]);
    expect(waits).toEqual([250]);
  });

  test('new requests go elsewhere meanwhile', async () => {
    const { cloister, edge, sides } = await start(2);
    const [used, other] = await sides();
    edge.faults.push(refuse('node_unreachable'));
    await cloister.fetch(...chat());
    await cloister.fetch(...chat());
    expect([used.requests.length, other.requests.length]).toEqual([1, 1]);
  });

  test('what was answered and lost is not generated again: already_answered', async () => {
    const { cloister, edge, generations } = await start();
    edge.faults.push(loseAnswer);
    const response = await cloister.fetch(...chat());
    expect([response.status, await codeOf(response)]).toEqual([409, 'already_answered']);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(response.headers.get('cloister-authenticated')).toBeNull();
    expect(generations()).toBe(1);
  });

  test('what the node cancelled before its first word is generated again', async () => {
    const { cloister, edge, node } = await start();
    const slow = slowAnswer();
    node.answer = slow.answer;
    edge.faults.push(async (forward) => {
      const response = await forward();
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      void reader.read();
      await slow.began;
      node.answer = undefined;
      await reader.cancel();
      return refuse('node_unreachable')(forward, node);
    });
    expect((await cloister.fetch(...chat())).status).toBe(200);
    expect(node.requests).toHaveLength(2);
    expect(node.requests[0]?.signal?.aborted).toBe(true);
  });

  test('what still runs for the edge is waited for, and then told: in_progress', async () => {
    const { cloister, edge, node, waits } = await start();
    const slow = slowAnswer();
    node.answer = slow.answer;
    edge.faults.push(async (forward) => {
      const response = await forward();
      void response.arrayBuffer();
      await slow.began;
      return refuse('node_timeout')(forward, node);
    });
    const response = await cloister.fetch(...chat());
    expect([response.status, await codeOf(response)]).toEqual([409, 'in_progress']);
    expect(response.headers.get('x-should-retry')).toBe('true');
    expect(waits).toEqual([250, 1000, 1000, 1000, 1000, 1000]);
    expect(node.requests).toHaveLength(1);
    slow.finish();
  });

  test('it never loops: four attempts, then the last word', async () => {
    const { cloister, edge, generations } = await start(2);
    edge.faults.push(...Array.from({ length: 20 }, () => refuse('node_unreachable')));
    const response = await cloister.fetch(...chat());
    expect([response.status, await codeOf(response)]).toEqual([502, 'node_unreachable']);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect([edge.posts, generations()]).toEqual([4, 0]);
  });

  test('without an edge the caller hears edge_unreachable', async () => {
    const { cloister, edge } = await start();
    edge.faults.push(...Array.from({ length: 20 }, () => reset));
    await expect(cloister.fetch(...chat())).rejects.toMatchObject({ code: 'edge_unreachable' });
    expect(edge.posts).toBe(4);
  });

  test('when the directory has dropped the node another one gets it, marked', async () => {
    const { cloister, edge, generations, sides } = await start(2);
    const [used, other] = await sides();
    edge.faults.push(async (forward) => {
      edge.remove(used);
      return loseAnswer(forward, used);
    });
    const response = await cloister.fetch(...chat());
    expect(response.status).toBe(200);
    expect(response.headers.get('cloister-duplicate-possible')).toBe('true');
    expect(await response.json()).toEqual({ ok: true });
    expect([used.requests.length, other.requests.length, generations()]).toEqual([1, 1, 2]);
  });

  test('it moves at most twice', async () => {
    const { cloister, edge, generations } = await start(4);
    edge.faults.push(
      ...Array.from({ length: 20 }, () => async (forward: () => Promise<Response>, node?: TestNode) => {
        if (node !== undefined) edge.remove(node);
        return loseAnswer(forward, node);
      }),
    );
    const response = await cloister.fetch(...chat());
    expect([response.status, await codeOf(response)]).toEqual([502, 'node_unreachable']);
    expect(response.headers.get('cloister-duplicate-possible')).toBe('true');
    expect([edge.posts, generations()]).toEqual([3, 3]);
  });

  test('a node that rotated meanwhile is the same node: one generation', async () => {
    const { cloister, edge, node } = await start(2);
    edge.faults.push(async (forward, used) => {
      await used?.epochs.rotate();
      if (used !== undefined) await edge.register(used);
      return loseAnswer(forward, used);
    });
    const response = await cloister.fetch(...chat());
    expect([response.status, await codeOf(response)]).toEqual([409, 'already_answered']);
    void node;
  });

  test('after the first octet there is no retry: the answer is truncated', async () => {
    const { cloister, edge, generations } = await start();
    edge.faults.push(async (forward) => {
      const octets = new Uint8Array(await (await forward()).arrayBuffer());
      return new Response(octets.slice(0, 40), { headers: { 'content-type': 'message/ohttp-chunked-res' } });
    });
    await expect(cloister.fetch(...chat())).rejects.toMatchObject({ code: 'stream_truncated' });
    expect([edge.posts, generations()]).toEqual([1, 1]);
  });

  test('an unsealed success is never an answer', async () => {
    const { cloister, edge } = await start();
    edge.faults.push(async () => Response.json({ choices: [] }));
    await expect(cloister.fetch(...chat())).rejects.toMatchObject({ code: 'unsealed_response' });
  });
});

describe('the caller', () => {
  test('ends everything by its signal: before, while waiting, and during a verification', async () => {
    const { cloister, edge } = await start();
    const aborted = AbortSignal.abort(new Error('enough'));
    const [url, init] = chat();
    await expect(cloister.fetch(url, { ...init, signal: aborted })).rejects.toThrow();
    expect(edge.posts).toBe(0);
    const controller = new AbortController();
    edge.faults.push(async (forward, node) => {
      controller.abort(new Error('enough'));
      return refuse('node_unreachable')(forward, node);
    });
    await expect(cloister.fetch(url, { ...init, signal: controller.signal })).rejects.toThrow('enough');
    expect(edge.posts).toBe(1);
  });

  test('keeps its own idempotency key: the second call starts nothing', async () => {
    const { cloister, generations } = await start();
    const call = () => cloister.fetch(...chat('same', { 'idempotency-key': 'mine-1' }));
    expect(await (await call()).json()).toEqual({ ok: true });
    expect(await codeOf(await call())).toBe('already_answered');
    const other = await cloister.fetch(...chat('different', { 'idempotency-key': 'mine-1' }));
    expect([other.status, await codeOf(other)]).toEqual([409, 'idempotency_conflict']);
    expect(generations()).toBe(1);
  });

  test('may ask twice at once without a key: two generations', async () => {
    const { cloister, generations } = await start();
    const both = await Promise.all([cloister.fetch(...chat('x')), cloister.fetch(...chat('x'))]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    expect(generations()).toBe(2);
  });

  test('a refusal of the engine frees the key', async () => {
    const { cloister, node } = await start();
    node.answer = () => {
      throw new EngineError('engine_unavailable', 'loading');
    };
    const call = () => cloister.fetch(...chat('same', { 'idempotency-key': 'mine-2' }));
    expect(await codeOf(await call())).toBe('engine_unavailable');
    node.answer = undefined;
    expect((await call()).status).toBe(200);
  });

  test('concurrent first requests share one verification', async () => {
    const { cloister, edge } = await start();
    await Promise.all(Array.from({ length: 8 }, () => cloister.fetch(...chat())));
    expect(edge.calls.filter((call) => call === 'GET /directory/nodes')).toHaveLength(1);
  });

  test('a connection that the edge drops ends the engine’s work', async () => {
    const { edge, cloister, node } = await start();
    edge.faults.push(dropNode);
    expect((await cloister.fetch(...chat())).status).toBe(200);
    expect(node.requests.length).toBeLessThanOrEqual(2);
  });
});
