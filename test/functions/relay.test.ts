// The relay: which node gets a request, what of it gets there, and what comes back.

import { reset } from 'cloudflare:test';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { fromBase64url } from '../../shared/bytes/base64url.ts';
import { concat } from '../../shared/bytes/concat.ts';
import { checkTicket, importTicketKey } from '../../shared/wire/ticket.ts';
import { SCRIPT } from '../harness/script.ts';
import {
  ACCOUNT,
  API_KEY,
  codeOf,
  EdgeFixture,
  keyDigest,
  type NodeScript,
  startEdge,
} from './edge-fixture.ts';

afterEach(reset);

interface Echo {
  readonly headers: Record<string, string>;
  readonly bytes: number;
}

interface Seen {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly bytes: number;
  readonly aborted: boolean;
}

const secondAddress = () => inject('nodeAddresses')[1] ?? '';

// The sealed types are no text, and workerd says so on every `text()`.
const textOf = async (response: Response) => new TextDecoder().decode(await response.arrayBuffer());
const echoOf = async (response: Response) => JSON.parse(await textOf(response)) as Echo;

async function lastSeen(address = inject('nodeAddresses')[0] ?? ''): Promise<Seen> {
  const all = await (await fetch(`${address}/seen`)).json<Seen[]>();
  const last = all.at(-1);
  if (last === undefined) throw new Error('the node saw nothing');
  return last;
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (await condition()) return;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error('it did not happen within two seconds');
}

const sealed = (keyId: number, script: number, length = 64) => {
  const body = new Uint8Array(length);
  body.set([keyId, script]);
  return body;
};

async function edgeWithNode(over: Partial<NodeScript> = {}, runtime: Parameters<typeof startEdge>[0] = {}) {
  const edge = await startEdge(runtime);
  const node = await edge.makeNode([11], over);
  const { ticket_key } = await edge.register(node);
  return { edge, node, ticketKey: ticket_key };
}

describe('routing', () => {
  async function twoNodes() {
    const edge = await startEdge();
    const a = await edge.makeNode([21, 22]);
    await edge.register(a);
    edge.pass(2);
    const b = await edge.makeNode([22, 23], { address: secondAddress() });
    await edge.register(b);
    return { edge, a, b };
  }
  const reachedNode = async (edge: EdgeFixture, keyId: number, headers: Record<string, string> = {}) => {
    const length = 100 + Math.floor(Math.random() * 10_000);
    const response = await edge.post(sealed(keyId, SCRIPT.echo, length), headers);
    expect(response.status).toBe(200);
    expect((await echoOf(response)).bytes).toBe(length);
    const [first, second] = [
      await lastSeen().catch(() => undefined),
      await lastSeen(secondAddress()).catch(() => undefined),
    ];
    const id = response.headers.get('x-request-id');
    return first?.headers['x-request-id'] === id
      ? 'a'
      : second?.headers['x-request-id'] === id
        ? 'b'
        : 'none';
  };

  it('goes by the digest of the key configuration', async () => {
    const { edge, a, b } = await twoNodes();
    expect(await reachedNode(edge, 22, { 'cloister-key': await keyDigest(a.keyList, 1) })).toBe('a');
    expect(await reachedNode(edge, 22, { 'cloister-key': await keyDigest(b.keyList, 0) })).toBe('b');
  });

  it('goes by the first octet where there is no digest: the node whose key the list names', async () => {
    const { edge } = await twoNodes();
    expect(await reachedNode(edge, 21)).toBe('a');
    expect(await reachedNode(edge, 22)).toBe('a');
    expect(await reachedNode(edge, 23)).toBe('b');
  });

  it('makes one fetch and no Durable Object call when warm', async () => {
    const { edge } = await twoNodes();
    await reachedNode(edge, 21);
    const [fetches, reads] = [edge.fetches, edge.poolReads];
    await reachedNode(edge, 23);
    expect(edge.fetches - fetches).toBe(1);
    expect(edge.poolReads - reads).toBe(0);
    edge.pass(4);
    await reachedNode(edge, 23);
    expect(edge.poolReads - reads).toBe(1);
  });

  it.each([
    ['a digest', { 'cloister-key': 'A'.repeat(43) }, 21],
    ['a first octet', {}, 99],
  ])('says where to look when no node holds the key: by %s', async (_, headers, keyId) => {
    const { edge } = await twoNodes();
    const fetches = edge.fetches;
    const response = await edge.post(sealed(keyId, SCRIPT.echo), headers as Record<string, string>);
    expect(response.status).toBe(503);
    expect(response.headers.get('cloister-directory')).toBe('/directory/nodes');
    expect(response.headers.get('link')).toContain('http-problem-types#ohttp-key');
    expect(await codeOf(response)).toBe('key_unknown');
    expect(edge.fetches).toBe(fetches);
  });

  it('does not hammer the Durable Object for keys that do not exist', async () => {
    const { edge } = await twoNodes();
    await edge.post(sealed(99, SCRIPT.echo));
    const reads = edge.poolReads;
    for (let i = 0; i < 10; i++) await edge.post(sealed(99, SCRIPT.echo));
    expect(edge.poolReads).toBe(reads);
    edge.pass(1);
    await edge.post(sealed(99, SCRIPT.echo));
    expect(edge.poolReads).toBe(reads + 1);
  });

  it('finds a node that registered a moment ago elsewhere', async () => {
    const { edge } = await twoNodes();
    await reachedNode(edge, 21);
    const elsewhere = new EdgeFixture(edge.attester, '0'.repeat(64), {});
    elsewhere.now = edge.now;
    await elsewhere.register(await elsewhere.makeNode([44], { address: secondAddress() }));
    edge.pass(1);
    expect(await reachedNode(edge, 44)).toBe('b');
  });

  it('503 when there is no node', async () => {
    const edge = await startEdge();
    const response = await edge.post(sealed(1, SCRIPT.echo));
    expect(response.status).toBe(503);
    expect(await codeOf(response)).toBe('no_node_available');
  });

  it('does not send to a node whose registration ran out', async () => {
    const { edge } = await edgeWithNode();
    edge.pass(121);
    expect((await edge.post(sealed(11, SCRIPT.echo))).status).toBe(503);
  });

  it('an empty body names no key', async () => {
    const { edge } = await edgeWithNode();
    const response = await edge.post(new Uint8Array());
    expect(response.status).toBe(400);
    expect(await codeOf(response)).toBe('sealed_request_invalid');
  });
});

describe('what reaches the node', () => {
  it('is a request built from four headers', async () => {
    const { edge, node, ticketKey } = await edgeWithNode();
    const response = await edge.post(sealed(11, SCRIPT.echo), {
      'cloister-key': await keyDigest(node.keyList),
      'cloister-pool': 'small',
      'cloister-ticket': 'v1.forged.forged',
      'x-request-id': 'chosen by the client',
      'user-agent': 'canary',
      'x-stainless-os': 'canary',
      cookie: 'canary=1',
      'cf-connecting-ip': '203.0.113.9',
      'x-forwarded-for': '203.0.113.9',
      'accept-language': 'canary',
      'content-encoding': 'canary',
      traceparent: 'canary',
    });
    const { headers } = await echoOf(response);
    // What the runtime itself adds; nothing of it comes from the client.
    const runtime = new Set([
      'host',
      'connection',
      'content-length',
      'transfer-encoding',
      'accept-encoding',
      'cf-worker',
      'mf-vitest-worker',
      'cf-ray',
      'accept',
      'accept-language',
      'sec-fetch-mode',
      'user-agent',
    ]);
    expect(
      Object.keys(headers)
        .filter((name) => !runtime.has(name))
        .sort(),
    ).toEqual(['cloister-ticket', 'content-type', 'incremental', 'x-request-id']);
    expect(headers['content-type']).toBe('message/ohttp-chunked-req');
    expect(headers.incremental).toBe('?1');
    expect(headers['x-request-id']).toBe(response.headers.get('x-request-id'));
    const everything = JSON.stringify(await lastSeen());
    for (const leak of [API_KEY, 'canary', '203.0.113.9', 'chosen by', 'forged'])
      expect(everything).not.toContain(leak);
    expect((await lastSeen()).path).toBe('/.well-known/ohttp-gateway');

    const ticket = await checkTicket(
      await importTicketKey(fromBase64url(ticketKey)),
      headers['cloister-ticket'],
      edge.now,
    );
    expect(ticket).toEqual({
      account: ACCOUNT,
      request: response.headers.get('x-request-id'),
      maxRequestBytes: 16 * 1024 * 1024,
      expires: Math.floor(edge.now.getTime() / 1000) + 60,
    });
  });

  it('exactly: the headers that the edge asks the runtime to send', async () => {
    let sent: RequestInit | undefined;
    let to = '';
    const { edge } = await edgeWithNode(
      {},
      {
        fetch: async (input, init) => {
          sent = init as RequestInit;
          to = String(input);
          return new Response('x', { headers: { 'content-type': 'message/ohttp-res' } });
        },
      },
    );
    const response = await edge.post(sealed(11, SCRIPT.echo), { 'content-type': 'message/ohttp-req' });
    expect(response.headers.get('content-type')).toBe('message/ohttp-res');
    expect(response.headers.has('incremental')).toBe(false);
    expect(Object.keys(sent?.headers ?? {}).sort()).toEqual([
      'cloister-ticket',
      'content-type',
      'x-request-id',
    ]);
    expect(sent?.redirect).toBe('manual');
    expect(to.endsWith('/.well-known/ohttp-gateway')).toBe(true);
  });

  it('keeps a declared length and streams an undeclared one', async () => {
    const { edge } = await edgeWithNode();
    const declared = await edge.post(sealed(11, SCRIPT.echo, 5000), { 'content-length': '5000' });
    expect((await echoOf(declared)).headers['content-length']).toBe('5000');
    const streamed = await edge.post(new Blob([sealed(11, SCRIPT.echo, 5000)]).stream());
    const echo = await echoOf(streamed);
    expect(echo.headers['content-length']).toBeUndefined();
    expect(echo.bytes).toBe(5000);
  });
});

describe('what comes back', () => {
  it('is a sealed answer with headers of ours only', async () => {
    const { edge } = await edgeWithNode();
    const response = await edge.post(sealed(11, SCRIPT.chattyHeaders));
    expect(await textOf(response)).toBe('sealed');
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'message/ohttp-chunked-res',
      'content-encoding': 'identity',
      'cache-control': 'no-store',
      incremental: '?1',
    });
    for (const name of ['set-cookie', 'server', 'cloister-load', 'x-node-internals'])
      expect(response.headers.has(name)).toBe(false);
    expect(response.headers.get('x-request-id')).not.toBe('chosen by the node');
  });

  it.each([
    ['a problem about the key', SCRIPT.keyProblem, 503, 'key_unknown'],
    ['a problem about the date', SCRIPT.dateProblem, 400, 'date_out_of_range'],
    ['an error that nodes may say', SCRIPT.replayDetected, 409, 'replay_detected'],
    ['an error that only the edge may say', SCRIPT.edgeOnlyCode, 502, 'node_unreachable'],
    ['a page', SCRIPT.htmlFailure, 502, 'node_unreachable'],
    ['a redirect', SCRIPT.redirect, 502, 'node_unreachable'],
    ['an unsealed answer', SCRIPT.plaintext, 502, 'node_unreachable'],
  ])('%s is built anew from the catalogue', async (_, script, status, code) => {
    const { edge } = await edgeWithNode();
    const fetches = edge.fetches;
    const response = await edge.post(sealed(11, script));
    expect(response.status).toBe(status);
    expect(response.headers.has('x-node-internals')).toBe(false);
    const text = await response.text();
    expect(text).toContain(`"code":"${code}"`);
    for (const leak of ['internals', 'plaintext answer', 'leak']) expect(text).not.toContain(leak);
    expect(edge.fetches - fetches).toBe(1);
    if (script === SCRIPT.replayDetected) expect(response.headers.get('retry-after')).toBe('7');
  });

  it('502 when the node is not there', async () => {
    const { edge } = await edgeWithNode({ address: 'http://127.0.0.1:1' });
    const response = await edge.post(sealed(11, SCRIPT.echo));
    expect(response.status).toBe(502);
    expect(await codeOf(response)).toBe('node_unreachable');
  });

  it('504 when the node does not answer in time, and the node is told', async () => {
    const { edge } = await edgeWithNode({}, { headerMilliseconds: 200 });
    const response = await edge.post(sealed(11, SCRIPT.silent));
    expect(response.status).toBe(504);
    expect(await codeOf(response)).toBe('node_timeout');
    await waitFor(async () => (await lastSeen()).aborted);
  });

  it('the time limit ends with the headers: a long answer is not cut', async () => {
    const { edge } = await edgeWithNode({}, { headerMilliseconds: 250 });
    const text = await textOf(await edge.post(sealed(11, SCRIPT.slowEvents)));
    expect(text.trim().split('\n')).toHaveLength(5);
  });
});

describe('streams', () => {
  it('pass each event of the node as it comes', async () => {
    const { edge } = await edgeWithNode();
    const response = await edge.post(sealed(11, SCRIPT.slowEvents));
    const lags: number[] = [];
    const decoder = new TextDecoder();
    for await (const chunk of response.body as ReadableStream<Uint8Array>)
      for (const line of decoder.decode(chunk).trim().split('\n')) lags.push(Date.now() - Number(line));
    expect(lags).toHaveLength(5);
    // Buffered to the end, the first would be 400 ms late.
    expect(Math.max(...lags)).toBeLessThan(200);
  });

  it('carry a slow upload piece by piece, while the answer already runs', async () => {
    const { edge } = await edgeWithNode();
    const sentAt: number[] = [];
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (sent > 0) await new Promise((done) => setTimeout(done, 150));
        sentAt.push(Date.now());
        controller.enqueue(sealed(11, SCRIPT.duplex, 40 + sent));
        if (++sent === 4) controller.close();
      },
    });
    const response = await edge.post(body);
    const lines = (await textOf(response))
      .trim()
      .split('\n')
      .map((line) => line.split('@').map(Number));
    expect(lines.map(([length]) => length)).toEqual([40, 41, 42, 43]);
    const lags = lines.map(([, at], index) => (at ?? 0) - (sentAt[index] ?? 0));
    expect(Math.max(...lags)).toBeLessThan(120);
  });

  it('end at the node when the client goes away in the middle', async () => {
    const { edge } = await edgeWithNode();
    const response = await edge.post(sealed(11, SCRIPT.endless));
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
    await waitFor(async () => (await lastSeen()).aborted);
  });

  it('end at the node when the client goes away before the answer', async () => {
    const { edge } = await edgeWithNode();
    const client = new AbortController();
    const answer = edge.post(sealed(11, SCRIPT.silent, 77), {}, { signal: client.signal });
    answer.catch(() => undefined);
    await waitFor(async () => (await lastSeen().catch(() => undefined))?.bytes === 77);
    client.abort();
    await waitFor(async () => (await lastSeen()).aborted);
  });

  it('show a node that dies in the middle to whoever reads them', async () => {
    const { edge } = await edgeWithNode();
    const response = await edge.post(sealed(11, SCRIPT.diesMidway));
    await expect(response.arrayBuffer()).rejects.toThrow();
  });

  it('hold one chunk at a time: the client is read no faster than the node takes', async () => {
    let pulled = 0;
    let taken = 0;
    let ahead = 0;
    const { edge } = await edgeWithNode(
      {},
      {
        fetch: async (_, init) => {
          const reader = ((init as RequestInit).body as ReadableStream<Uint8Array>).getReader();
          for (;;) {
            const { done, value } = await reader.read();
            if (done) break;
            taken += value.length;
            ahead = Math.max(ahead, pulled - taken);
          }
          return new Response('x', { headers: { 'content-type': 'message/ohttp-chunked-res' } });
        },
      },
    );
    const piece = 64 * 1024;
    const pieces = (16 * 1024 * 1024) / piece;
    let count = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulled += piece;
          controller.enqueue(sealed(11, SCRIPT.echo, piece));
          if (++count === pieces) controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    const response = await edge.post(body);
    expect(response.status).toBe(200);
    expect(taken).toBe(16 * 1024 * 1024);
    expect(ahead).toBeLessThanOrEqual(2 * piece);
  });

  it('are cut, not ended, at the size limit: 413', async () => {
    const { edge } = await edgeWithNode();
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulls++;
          controller.enqueue(concat(sealed(11, SCRIPT.echo), new Uint8Array(1024 * 1024 - 64)));
        },
      },
      { highWaterMark: 0 },
    );
    const response = await edge.post(body);
    expect(response.status).toBe(413);
    expect(await codeOf(response)).toBe('request_too_large');
    expect(pulls).toBe(17);
    await waitFor(async () => (await lastSeen()).aborted);
  });

  it('are cut, not ended, when the client fails in the middle of an upload', async () => {
    const { edge } = await edgeWithNode();
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          if (pulls++ === 0) return controller.enqueue(sealed(11, SCRIPT.echo, 333));
          await waitFor(async () => (await lastSeen().catch(() => undefined))?.bytes === 333);
          controller.error(new Error('gone'));
        },
      },
      { highWaterMark: 0 },
    );
    const response = await edge.post(body);
    expect(response.status).toBe(502);
    await waitFor(async () => (await lastSeen()).aborted);
  });

  it('of a declared length are cut where they fall short of it', async () => {
    const { edge } = await edgeWithNode({}, { headerMilliseconds: 1000 });
    const body = new Blob([sealed(11, SCRIPT.echo, 334)]).stream();
    const response = await edge.post(body, { 'content-length': '5000' });
    expect([502, 504]).toContain(response.status);
    await waitFor(async () => (await lastSeen()).aborted);
  });
});
