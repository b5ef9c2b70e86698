// What others can do with a running system: stock OHTTP clients, unsealed requests, replays, forged tickets, curl.

import { execFile, spawnSync } from 'node:child_process';
import { request as httpRequest } from 'node:http';
import { promisify } from 'node:util';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LocalEndpoint, startLocalEndpoint } from '../../shared/cli/local-endpoint.ts';
import { importTicketKey, makeTicket } from '../../shared/wire/ticket.ts';
import { sealAsStranger } from '../harness/stock-ohttp-client.ts';
import {
  MODEL,
  type SystemNode,
  startWholeSystem,
  until,
  type WholeSystem,
} from '../harness/whole-system.ts';

const GATEWAY = '/.well-known/ohttp-gateway';
const QUESTION = {
  model: MODEL,
  messages: [{ role: 'user', content: 'Say anything.' }],
  max_tokens: 6,
  temperature: 0,
};

const haveCurl = spawnSync('curl', ['--version']).status === 0;

let system: WholeSystem;
let local: LocalEndpoint;
beforeAll(async () => {
  system = await startWholeSystem();
  local = await startLocalEndpoint(system.client(), 0);
}, 60_000);
afterAll(async () => {
  await local?.close();
  await system?.stop();
});

async function keyList(): Promise<Buffer> {
  const response = await fetch(`${system.origin}${GATEWAY}`);
  expect(response.headers.get('content-type')).toBe('application/ohttp-keys');
  return Buffer.from(await response.arrayBuffer());
}

const question = (headers: [string, string][] = [], body: object = QUESTION) => ({
  method: 'POST',
  path: '/v1/chat/completions',
  headers: [['content-type', 'application/json'], ...headers] as [string, string][],
  body: JSON.stringify(body),
});

function post(
  contentType: string,
  body: Buffer,
  headers: Record<string, string> = {},
  origin = system.origin,
) {
  return fetch(`${origin}${GATEWAY}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${system.apiKey}`, 'content-type': contentType, ...headers },
    body: new Uint8Array(body),
  });
}

interface Body {
  readonly choices?: readonly { readonly message: { readonly content: string } }[];
  readonly error?: { readonly code: string };
}

async function askAsStranger(request: Parameters<typeof sealAsStranger>[1], chunked: boolean) {
  const exchange = sealAsStranger(await keyList(), request, chunked);
  const response = await post(exchange.contentType, exchange.body);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe(
    chunked ? 'message/ohttp-chunked-res' : 'message/ohttp-res',
  );
  const answer = exchange.open(Buffer.from(await response.arrayBuffer()));
  return { ...answer, json: answer.body.startsWith('{') ? (JSON.parse(answer.body) as Body) : undefined };
}

const answered = (nodes: readonly SystemNode[] = system.nodes) =>
  nodes.flatMap(({ events }) => events).filter(({ event }) => event === 'request_answered').length;
const codeOf = async (response: Response) => ((await response.json()) as Body).error?.code;

describe('a stock OHTTP client that knows only the URL and an API key', () => {
  test.each([
    ['chunked', true],
    ['whole', false],
  ])('is answered, %s', async (_, chunked) => {
    const { status, json } = await askAsStranger(question(), chunked);
    expect(status).toBe(200);
    expect(json?.choices?.[0]?.message.content).toMatch(/w\d+/);
  });

  test('streams too', async () => {
    const { status, headers, body } = await askAsStranger(question([], { ...QUESTION, stream: true }), true);
    expect(status).toBe(200);
    expect(headers).toContainEqual(['content-type', 'text/event-stream']);
    expect(body.trimEnd().endsWith('data: [DONE]')).toBe(true);
  });

  test.each([
    ['a date an hour ago', 'date', new Date(Date.now() - 3_600_000).toUTCString(), 400, 'date_out_of_range'],
    ['a date that is none', 'date', 'yesterday', 400, 'date_out_of_range'],
    ['another core', 'cloister-attestation', 'A'.repeat(43), 421, 'attestation_mismatch'],
    ['a session that is none', 'cloister-session', 'short', 400, 'invalid_request'],
  ])('that says %s inside is refused inside the seal', async (_, name, value, status, code) => {
    for (const chunked of [true, false]) {
      const answer = await askAsStranger(question([[name, value]]), chunked);
      expect(answer.status).toBe(status);
      expect(answer.json?.error?.code).toBe(code);
    }
  });

  test('reaches no other route of the engine', async () => {
    const { status, json } = await askAsStranger({ ...question(), method: 'GET', path: '/health' }, true);
    expect(status).toBe(404);
    expect(json?.error?.code).toBe('route_not_offered');
  });
});

describe('the edge', () => {
  test('refuses an unsealed prompt, and no node hears of it', async () => {
    const before = system.nodes.map(({ hop }) => hop.up.length);
    const response = await fetch(`${system.origin}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${system.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(QUESTION),
    });
    expect(response.status).toBe(415);
    expect(await codeOf(response)).toBe('unsealed_request');
    expect(system.nodes.map(({ hop }) => hop.up.length)).toEqual(before);
  });

  test('refuses every wrong credential in one way, and no node hears of it', async () => {
    const { contentType, body } = sealAsStranger(await keyList(), question(), true);
    const before = system.nodes.map(({ hop }) => hop.up.length);
    const refusals = await Promise.all(
      ['', 'Bearer', 'Bearer sk-wrong', `Basic ${system.apiKey}`, `Bearer ${system.apiKey}x`].map(
        async (authorization) => {
          const response = await post(contentType, body, { authorization });
          return { status: response.status, text: await response.text() };
        },
      ),
    );
    expect(refusals[0]).toMatchObject({ status: 401, text: expect.stringContaining('invalid_api_key') });
    for (const refusal of refusals) expect(refusal).toEqual(refusals[0]);
    expect(system.nodes.map(({ hop }) => hop.up.length)).toEqual(before);
  });

  test('carries a recorded request again, and the node refuses it: one generation', async () => {
    const { contentType, body } = sealAsStranger(await keyList(), question(), true);
    const before = answered();
    expect((await post(contentType, body)).status).toBe(200);
    for (let i = 0; i < 2; i++) {
      const replayed = await post(contentType, body);
      expect(replayed.status).toBe(409);
      expect(replayed.headers.get('content-type')).toMatch(/^application\/json/);
      expect(await codeOf(replayed)).toBe('replay_detected');
    }
    await until(() => answered() > before);
    expect(answered()).toBe(before + 1);
  });

  test('carries the same request five times at once: one generation', async () => {
    const { contentType, body } = sealAsStranger(await keyList(), question(), true);
    const before = answered();
    const responses = await Promise.all(Array.from({ length: 5 }, () => post(contentType, body)));
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409]);
    await Promise.all(responses.map((response) => response.arrayBuffer()));
    await until(() => answered() > before);
    expect(answered()).toBe(before + 1);
  });
});

describe('a node, past its edge', () => {
  test('refuses what no edge admitted: ticket absent, invented, or under another key', async () => {
    const { contentType, body } = sealAsStranger(await keyList(), question(), true);
    const otherKey = await importTicketKey(new Uint8Array(32));
    const foreign = await makeTicket(otherKey, {
      account: 'acct-test',
      request: 'r',
      maxRequestBytes: 1_000_000,
      expires: Math.floor(Date.now() / 1000) + 60,
    });
    const before = answered();
    for (const { port } of system.nodes)
      for (const ticket of [undefined, 'v1.e30.AAAA', foreign]) {
        const headers = ticket === undefined ? undefined : { 'cloister-ticket': ticket };
        const response = await post(contentType, body, headers, `http://127.0.0.1:${port}`);
        expect(response.status).toBe(403);
        expect(await codeOf(response)).toBe('ticket_refused');
      }
    expect(answered()).toBe(before);
  });
});

describe('the endpoint on loopback', () => {
  const curl = async (...args: string[]) =>
    (await promisify(execFile)('curl', ['--silent', '--show-error', '--max-time', '10', ...args])).stdout;
  const json = ['-H', 'content-type: application/json'];

  test.skipIf(!haveCurl)('answers plain curl (skipped where there is none)', async () => {
    const text = await curl(...json, '-d', JSON.stringify(QUESTION), `${local.url}/v1/chat/completions`);
    expect((JSON.parse(text) as Body).choices?.[0]?.message.content).toMatch(/w\d+/);
    expect(await curl(`${local.url}/v1/models`)).toContain(`"${MODEL}"`);
  });

  test.skipIf(!haveCurl)('streams to plain curl (skipped where there is none)', async () => {
    const body = JSON.stringify({ ...QUESTION, stream: true });
    const text = await curl('--no-buffer', ...json, '-d', body, `${local.url}/v1/chat/completions`);
    expect(text.split('\n\n').filter((line) => line.startsWith('data: ')).length).toBeGreaterThan(2);
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true);
  });

  test.each([
    ['a host that was rebound', { host: 'evil.example' }],
    ['a host that was rebound, with the right port', { host: 'evil.example:PORT' }],
    ['a page of another site', { origin: 'https://evil.example' }],
    ['a page without an origin', { origin: 'null' }],
  ])('refuses %s, and nothing is sent', async (_, headers) => {
    const port = new URL(local.url).port;
    const before = system.front.up.length;
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(`${local.url}/v1/chat/completions`, {
        method: 'POST',
        headers: Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name, value.replace('PORT', port)]),
        ),
      });
      request.on('response', (response) => resolve(response.resume().statusCode));
      request.on('error', reject);
      request.end(JSON.stringify(QUESTION));
    });
    expect(status).toBe(403);
    expect(system.front.up.length).toBe(before);
  });
});

describe('a key that is gone', () => {
  test('makes the client reseal by itself to the other node: one answer, one generation', async () => {
    const cloister = system.client();
    const openai = new OpenAI({
      baseURL: cloister.baseURL,
      apiKey: 'unused',
      fetch: cloister.fetch,
      maxRetries: 0,
    });
    await openai.models.list();
    const first = system.nodes.find(({ id }) => id === cloister.node?.key.node);
    const second = system.nodes.find(({ id }) => id !== cloister.node?.key.node);
    if (first === undefined || second === undefined) throw new Error('two nodes were expected');
    await first.stop();
    const before = answered([second]);
    const answer = await openai.chat.completions.create({
      ...QUESTION,
      messages: [{ role: 'user', content: 'Still there?' }],
    });
    expect(answer.choices[0]?.message.content).toMatch(/w\d+/);
    expect(cloister.node?.key.node).toBe(second.id);
    await until(() => answered([second]) > before);
    expect(answered([second])).toBe(before + 1);
  });
});
