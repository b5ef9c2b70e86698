// A nonce at the edge: the one read that reaches a node. Limited, admitted by a ticket, never kept.

import { reset } from 'cloudflare:test';
import { afterEach, describe, expect, it } from 'vitest';
import type { Bindings } from '../../functions/bindings.ts';
import { toBase64url } from '../../shared/bytes/base64url.ts';
import { DIRECTORY_PATH, noncePath } from '../../shared/wire/routes.ts';
import { codeOf, type EdgeFixture, startEdge } from './edge-fixture.ts';

afterEach(reset);

const NONCE = toBase64url(new Uint8Array(32).fill(3));

/** An edge whose node answers with `answer`; `limit` requests are let through. */
async function edgeWithNode(answer: (request: Request) => Response | Promise<Response>, limit = 100) {
  const asked: Request[] = [];
  const edge = await startEdge({
    fetch: async (input, init) => {
      const request = new Request(input as RequestInfo, init as RequestInit);
      asked.push(request);
      return answer(request);
    },
  });
  const script = await edge.makeNode([1]);
  await edge.register(script);
  const keys: string[] = [];
  let left = limit;
  const limiter = {
    limit: async ({ key }: { key: string }) => {
      keys.push(key);
      return { success: left-- > 0 };
    },
  } as unknown as RateLimit;
  const bindings: Bindings = { ...edge.bindings, NONCE_LIMIT: limiter };
  const ask = (path = noncePath(script.node, NONCE), init?: RequestInit) => edge.fetch(path, init, bindings);
  return { edge, script, asked, keys, ask };
}
const bundleOf = (text: string): Response => new Response(text, { headers: { 'x-node': 'internal' } });

describe('a nonce', () => {
  it('goes to the node with a ticket and nothing of the caller, and its answer is kept nowhere', async () => {
    let count = 0;
    const { ask, asked, script } = await edgeWithNode(() => bundleOf(`{"answer":${count++}}`));
    const headers = { authorization: 'Bearer secret', cookie: 'a=b', 'x-mine': '1' };
    const first = await ask(undefined, { headers });
    expect(await first.text()).toBe('{"answer":0}');
    expect(first.headers.get('cache-control')).toBe('no-store');
    expect(first.headers.get('x-node')).toBe(null);
    expect(await (await ask()).text()).toBe('{"answer":1}');
    expect(asked[0]?.url).toBe(script.address + noncePath(script.node, NONCE));
    expect([...(asked[0]?.headers.keys() ?? [])].sort()).toEqual(['cloister-ticket', 'x-request-id']);
  });

  it('is refused over the limit, by caller, before the node hears of it', async () => {
    const { ask, asked, keys } = await edgeWithNode(() => bundleOf('{}'), 2);
    const headers = { 'cf-connecting-ip': '192.0.2.1' };
    for (const status of [200, 200, 429, 429])
      expect((await ask(undefined, { headers })).status).toBe(status);
    expect(asked).toHaveLength(2);
    expect(new Set(keys)).toEqual(new Set(['192.0.2.1']));
    const refused = await ask();
    expect(refused.headers.get('retry-after')).toBe('10');
    expect(await codeOf(refused)).toBe('rate_limited');
  });

  it('of another length, or for a node that is not there, reaches nobody', async () => {
    const { ask, asked, script } = await edgeWithNode(() => bundleOf('{}'));
    for (const nonce of ['A', 'A'.repeat(42), 'A'.repeat(44), `${'A'.repeat(42)}B`, `${'A'.repeat(42)}%2F`])
      expect((await ask(noncePath(script.node, nonce))).status, nonce).toBe(404);
    expect((await ask(noncePath('A'.repeat(22), NONCE))).status).toBe(404);
    expect((await ask(undefined, { method: 'POST', body: 'x' })).status).toBe(405);
    expect(asked).toHaveLength(0);
  });

  it('that the node does not answer, redirects or answers with too much, is evidence_unavailable', async () => {
    const answers = [
      () => new Response('internal', { status: 503 }),
      () => new Response(null, { status: 307, headers: { location: 'http://127.0.0.1:1/' } }),
      () => new Response(new Uint8Array(1024 * 1024 + 1)),
      () => Promise.reject(new Error('refused')),
    ];
    for (const answer of answers) {
      const { ask } = await edgeWithNode(answer);
      const response = await ask();
      expect(response.status).toBe(503);
      expect(await codeOf(response)).toBe('evidence_unavailable');
    }
  });

  it('is not offered where nobody set a limit', async () => {
    const { edge, script, asked } = await edgeWithNode(() => bundleOf('{}'));
    const { NONCE_LIMIT: _, ...unlimited } = edge.bindings;
    const response = await edge.fetch(noncePath(script.node, NONCE), {}, unlimited as Bindings);
    expect(await codeOf(response)).toBe('edge_misconfigured');
    expect(asked).toHaveLength(0);
  });
});

it('every other read of the directory reaches no node', async () => {
  const { edge, script, asked } = await edgeWithNode(() => bundleOf('{}'));
  const read = (path: string): ReturnType<EdgeFixture['fetch']> => edge.fetch(path);
  await read(DIRECTORY_PATH);
  await read(`${DIRECTORY_PATH}/${script.node}`);
  expect(asked).toHaveLength(0);
});
