// What the adapter does before it opens a request, and how alike its failures to open one are.

import { describe, expect, test, vi } from 'vitest';
import { nodeCryptoProvider } from '../../../backend/keys/node-crypto-provider.ts';
import type { GatewayKey } from '../../../shared/sealing/gateway-key.ts';
import type { SealingProvider } from '../../../shared/sealing/provider.ts';
import { codeOf, json, slowAnswer, startNode } from '../../shared/client/harness/in-process.ts';
import { chatRequest, seal } from './seal.ts';

const post = (node: Awaited<ReturnType<typeof startNode>>, octets: Uint8Array<ArrayBuffer>, type: string) =>
  node.post(octets, type);

function keyOf(node: Awaited<ReturnType<typeof startNode>>, index = 0): GatewayKey {
  return node.epochs.current.keys[index] as GatewayKey;
}

describe('the ticket', () => {
  test('is checked before any public-key work: five hundred bad ones cost no decapsulation', async () => {
    let decapsulations = 0;
    const counting: SealingProvider = {
      ...nodeCryptoProvider,
      cipherSuite: async (suite) => {
        const hpke = await nodeCryptoProvider.cipherSuite(suite);
        return new Proxy(hpke, {
          get(target, name) {
            if (name === 'SetupRecipient') decapsulations++;
            const value: unknown = Reflect.get(target, name, target);
            return typeof value === 'function' ? value.bind(target) : value;
          },
        });
      },
    };
    const node = await startNode({ provider: counting });
    const { octets, type } = await seal(keyOf(node), chatRequest([]));
    for (let i = 0; i < 500; i++)
      await node.post(octets, type, i % 2 === 0 ? 'v1.e30.AAAA' : `v1.${i}.${'A'.repeat(43)}`);
    expect(decapsulations).toBe(0);
    expect(node.replays.size(keyOf(node).config.keyId)).toBe(0);
    expect((await post(node, octets, type)).status).toBe(200);
    expect(decapsulations).toBe(1);
  }, 20_000);

  test.each([
    ['declared', true],
    ['found while reading', false],
  ])('limits the request: more octets than it admits are refused, %s', async (_, whole) => {
    const node = await startNode();
    const { octets, type } = await seal(keyOf(node), chatRequest([], `"${'x'.repeat(4000)}"`));
    const body = whole
      ? octets
      : new ReadableStream<Uint8Array>({
          start(controller) {
            for (let at = 0; at < octets.length; at += 500) controller.enqueue(octets.slice(at, at + 500));
            controller.close();
          },
        });
    const response = await node.post(body, type, undefined, 3000);
    expect([response.status, await codeOf(response)]).toEqual([413, 'request_too_large']);
    expect(node.requests).toHaveLength(0);
  });
});

describe('a replay', () => {
  test('is refused, and two copies together are one execution', async () => {
    const node = await startNode();
    const { octets, type } = await seal(keyOf(node), chatRequest([]));
    const both = await Promise.all([post(node, octets, type), post(node, octets, type)]);
    await Promise.all(both.map((response) => response.arrayBuffer()));
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(await codeOf(await post(node, octets, type))).toBe('replay_detected');
    expect(node.requests).toHaveLength(1);
  });

  test('of a request that could not be opened is refused too', async () => {
    const node = await startNode();
    const { octets, type } = await seal(keyOf(node), chatRequest([]));
    const bent = octets.slice();
    bent[bent.length - 1] = (bent.at(-1) ?? 0) ^ 1;
    expect(await codeOf(await post(node, bent, type))).toBe('sealed_request_invalid');
    expect(await codeOf(await post(node, octets, type))).toBe('replay_detected');
  });

  test('memory that fills rotates the key before anybody is refused', async () => {
    const node = await startNode({ replayEntries: 16 });
    const first = keyOf(node);
    for (let i = 0; i < 14; i++) {
      const { octets, type } = await seal(first, chatRequest([]));
      expect((await post(node, octets, type)).status).toBe(200);
    }
    await vi.waitFor(() => expect(keyOf(node)).not.toBe(first));
    for (let i = 14; i < 16; i++) {
      const { octets, type } = await seal(first, chatRequest([]));
      expect((await post(node, octets, type)).status).toBe(200);
    }
    const { octets, type } = await seal(first, chatRequest([]));
    const full = await post(node, octets, type);
    expect([full.status, await codeOf(full)]).toEqual([503, 'no_node_available']);
    const next = await seal(keyOf(node), chatRequest([]));
    expect((await post(node, next.octets, next.type)).status).toBe(200);
  });
});

describe('failures to open', () => {
  test('have one status, one body and one set of headers, and none comes before the fifth millisecond', async () => {
    const node = await startNode();
    const seen = new Set<string>();
    for (const index of [0, 1]) {
      const key = keyOf(node, index);
      const header = 7;
      const encOctets = index === 0 ? 1120 : 32;
      const cases = await Promise.all([
        seal(key, chatRequest([])).then(({ octets, type }) => {
          // A share of low order: the only way in which decapsulation itself refuses.
          octets.fill(0, header + encOctets - 32, header + encOctets);
          octets[header + encOctets - 32] = 1;
          return { octets, type };
        }),
        seal(key, chatRequest([])).then(({ octets, type }) => {
          octets.fill(0, header + encOctets - 32, header + encOctets);
          return { octets, type };
        }),
        seal(key, chatRequest([])).then(({ octets, type }) => {
          octets[header] = (octets[header] ?? 0) ^ 1;
          return { octets, type };
        }),
        seal(key, chatRequest([])).then(({ octets, type }) => {
          octets[octets.length - 1] = (octets.at(-1) ?? 0) ^ 1;
          return { octets, type };
        }),
        seal(key, new Uint8Array(200).fill(0xff)),
        seal(key, new Uint8Array(0)),
        seal(key, chatRequest([]).slice(0, 20)),
        seal(key, chatRequest([])).then(({ octets, type }) => ({ octets: octets.slice(0, -3), type })),
      ]);
      for (const { octets, type } of cases) {
        const began = performance.now();
        const response = await post(node, octets, type);
        expect(performance.now() - began).toBeGreaterThan(4);
        seen.add(JSON.stringify([response.status, [...response.headers], await response.text()]));
      }
    }
    expect(seen.size).toBe(1);
    expect([...seen][0]).toContain('sealed_request_invalid');
    expect(node.requests).toHaveLength(0);
  });

  test('are answered after the body’s end only, so that nobody learns which chunk was wrong', async () => {
    const node = await startNode();
    const { octets, type } = await seal(keyOf(node), chatRequest([], `"${'x'.repeat(40_000)}"`));
    octets[1500] = (octets[1500] ?? 0) ^ 1;
    let finish = (): void => {};
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(octets.slice(0, -1));
        finish = () => {
          controller.enqueue(octets.slice(-1));
          controller.close();
        };
      },
    });
    let answered = false;
    const response = node.post(body, type).then((value) => {
      answered = true;
      return value;
    });
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(answered).toBe(false);
    finish();
    expect(await codeOf(await response)).toBe('sealed_request_invalid');
  });
});

describe('while the engine is silent', () => {
  test('a sealed 102 comes within a second and then every fifteen', async () => {
    const node = await startNode();
    const slow = slowAnswer();
    node.answer = slow.answer;
    const sealed = await seal(keyOf(node), chatRequest([]));
    const at: number[] = [];
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      const response = await post(node, sealed.octets, sealed.type);
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      const began = performance.now();
      const reading = (async () => {
        for (;;) {
          const { done } = await reader.read();
          if (done) return;
          at.push((performance.now() - began) / 1000);
        }
      })();
      await vi.advanceTimersByTimeAsync(46_500);
      const interim = [...at];
      expect(interim.length).toBeGreaterThanOrEqual(4);
      expect(interim[0]).toBeLessThanOrEqual(1);
      for (const [i, time] of interim.entries()) expect(time - (interim[i - 1] ?? 0)).toBeLessThanOrEqual(15);
      slow.finish();
      await vi.advanceTimersByTimeAsync(20_000);
      await reading;
    } finally {
      vi.useRealTimers();
    }
    expect(node.events.at(-1)).toMatchObject({ event: 'request_answered', status: 200, outcome: 'complete' });
  });
});

describe('a sealed idempotency key', () => {
  const session = 'A'.repeat(43);
  const named = (key: string, body: string, own = session) =>
    chatRequest(
      [...(own === '' ? [] : [['cloister-session', own] as const]), ['idempotency-key', key]],
      body,
    );
  const ask = async (node: Awaited<ReturnType<typeof startNode>>, plaintext: ReturnType<typeof named>) => {
    const sealed = await seal(keyOf(node), plaintext);
    const { status, headers, text } = await sealed.open(await post(node, sealed.octets, sealed.type));
    return { status, code: (JSON.parse(text) as { error?: { code?: string } }).error?.code, headers };
  };

  test('is one generation: in_progress while it runs, already_answered after, a conflict for another body', async () => {
    const node = await startNode();
    const slow = slowAnswer();
    node.answer = slow.answer;
    const first = ask(node, named('k', '{"a":1}'));
    await slow.began;
    const during = await ask(node, named('k', '{"a":1}'));
    expect([during.status, during.code]).toEqual([409, 'in_progress']);
    expect(during.headers.get('x-should-retry')).toBe('true');
    expect(Number(during.headers.get('retry-after-ms'))).toBeGreaterThan(0);
    expect(await ask(node, named('k', '{"a":2}'))).toMatchObject({
      status: 409,
      code: 'idempotency_conflict',
    });
    slow.finish();
    expect((await first).status).toBe(200);
    const after = await ask(node, named('k', '{"a":1}'));
    expect([after.status, after.code]).toEqual([409, 'already_answered']);
    expect(after.headers.get('x-should-retry')).toBe('false');
    const conflict = await ask(node, named('k', '{"a":2}'));
    expect([conflict.code, conflict.headers.get('x-should-retry')]).toEqual([
      'idempotency_conflict',
      'false',
    ]);
    expect(node.requests).toHaveLength(1);
  });

  test('says nothing outside the seal: a refused repeat looks like any answer', async () => {
    const node = await startNode();
    await ask(node, named('k', '{}'));
    const sealed = await seal(keyOf(node), named('k', '{}'));
    const response = await post(node, sealed.octets, sealed.type);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'message/ohttp-chunked-res',
    ]);
    expect(JSON.stringify([...response.headers])).not.toContain('retry');
  });

  test('belongs to its session; without a session nothing is the same', async () => {
    const node = await startNode();
    await ask(node, named('k', '{}'));
    expect((await ask(node, named('k', '{}', 'B'.repeat(43)))).status).toBe(200);
    expect((await ask(node, named('k', '{}', ''))).status).toBe(200);
    expect((await ask(node, named('k', '{}', ''))).status).toBe(200);
    expect(node.requests).toHaveLength(4);
  });

  test('holds across a rotation, and is forgotten with the epoch that received it', async () => {
    const node = await startNode();
    await ask(node, named('k', '{}'));
    await node.epochs.rotate();
    expect((await ask(node, named('k', '{}'))).code).toBe('already_answered');
    for (let i = 0; i < 4; i++) await node.epochs.rotate();
    expect((await ask(node, named('k', '{}'))).status).toBe(200);
  });

  test.each([
    ['an error of the engine', () => json({ error: { code: 'x' } }, 429), 429],
    [
      'a crash before its first word',
      () => {
        throw new Error('gone');
      },
      500,
    ],
  ])('is free again after %s', async (_, answer, status) => {
    const node = await startNode({ answer });
    expect((await ask(node, named('k', '{}'))).status).toBe(status);
    node.answer = undefined;
    expect((await ask(node, named('k', '{"other":1}'))).status).toBe(200);
  });

  test('names one charge for the same session, key and body, on every node', async () => {
    const [a, b] = [await startNode(), await startNode()];
    const inner = (body: string) => ({
      method: 'POST',
      path: '/v1/chat/completions',
      headers: [
        ['cloister-session', session],
        ['idempotency-key', 'k'],
      ] as const,
      body: new TextEncoder().encode(body),
    });
    const charge = a.generations.claim('e', inner('x'))?.charge;
    expect(charge).toHaveLength(32);
    expect(b.generations.claim('e', inner('x'))?.charge).toEqual(charge);
    expect((await startNode()).generations.claim('e', inner('y'))?.charge).not.toEqual(charge);
  });
});
