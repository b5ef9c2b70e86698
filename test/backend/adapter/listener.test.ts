// The adapter behind Node's own HTTP server, where neither web Requests nor web streams stand between: what a client on a socket sees.

import { once } from 'node:events';
import { type ClientRequest, createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { EngineResponse } from '../../../backend/engine/engine.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { OUTER_HEADER } from '../../../shared/wire/header-names.ts';
import { MEDIA_TYPE } from '../../../shared/wire/media-types.ts';
import { GATEWAY_PATH } from '../../../shared/wire/routes.ts';
import { startNode, type TestNode } from '../../shared/client/harness/in-process.ts';
import { chatRequest, seal } from './seal.ts';

const NONCE_OCTETS = 32;
let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function listen(answer?: () => EngineResponse | Promise<EngineResponse>): Promise<TestNode> {
  const node = await startNode(answer === undefined ? {} : { answer });
  server = createServer(node.listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return node;
}

function portOf(): number {
  if (server === undefined) throw new Error('nothing listens');
  return (server.address() as AddressInfo).port;
}

async function post(node: TestNode, type: string = MEDIA_TYPE.chunkedRequest): Promise<ClientRequest> {
  const port = portOf();
  const headers = { 'content-type': type, [OUTER_HEADER.ticket]: await node.ticket() };
  return request({ host: '127.0.0.1', port, path: GATEWAY_PATH, method: 'POST', headers });
}

async function sealed(node: TestNode) {
  const [key] = node.epochs.current.keys;
  if (key === undefined) throw new Error('a node without a key');
  return seal(key, chatRequest([], JSON.stringify({ messages: [{ role: 'user', content: 'hello' }] })));
}

async function responseTo(outgoing: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return response;
}

const json = (body: ReadableStream<Bytes> | null): EngineResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: body as ReadableStream<Bytes>,
});

it('sends an answer that is there at once in one piece, without telling its length', async () => {
  const node = await listen();
  const outgoing = await post(node);
  outgoing.end((await sealed(node)).octets);
  const response = await responseTo(outgoing);
  expect(response.statusCode).toBe(200);
  expect(response.headers).toMatchObject({
    'content-type': MEDIA_TYPE.chunkedResponse,
    'transfer-encoding': 'chunked',
    incremental: '?1',
  });
  expect(response.headers['content-length']).toBeUndefined();
  const pieces = (await response.toArray()) as Uint8Array[];
  expect(pieces).toHaveLength(1);
  expect(concat(...pieces).length).toBeGreaterThan(NONCE_OCTETS);
});

it('takes a body in pieces of one octet', async () => {
  const node = await listen();
  const outgoing = await post(node);
  for (const octet of (await sealed(node)).octets) outgoing.write(Uint8Array.of(octet));
  outgoing.end();
  expect((await responseTo(outgoing)).statusCode).toBe(200);
});

it('sends the response nonce before the engine has answered', async () => {
  const node = await listen(() => new Promise(() => undefined));
  const outgoing = await post(node);
  outgoing.end((await sealed(node)).octets);
  const response = await responseTo(outgoing);
  const [first] = (await once(response, 'data')) as [Uint8Array];
  expect(first).toHaveLength(NONCE_OCTETS);
  response.destroy();
});

it('stops the engine when the client leaves', async () => {
  const node = await listen(() => new Promise(() => undefined));
  const outgoing = await post(node);
  outgoing.end((await sealed(node)).octets);
  const response = await responseTo(outgoing);
  expect(node.requests[0]?.signal?.aborted).toBe(false);
  response.destroy();
  await expect.poll(() => node.requests[0]?.signal?.aborted).toBe(true);
  await expect.poll(() => node.events).toMatchObject([{ event: 'request_answered', outcome: 'client_gone' }]);
});

it('cuts the connection when the engine dies inside an answer', async () => {
  const node = await listen(() =>
    json(
      new ReadableStream({
        pull(controller) {
          controller.error(new Error('the engine died'));
        },
      }),
    ),
  );
  const outgoing = await post(node);
  outgoing.end((await sealed(node)).octets);
  const response = await responseTo(outgoing);
  await expect(response.toArray()).rejects.toThrow();
});

it('opens nothing of a request that is cut', async () => {
  const node = await listen();
  const outgoing = await post(node);
  outgoing.on('error', () => undefined);
  const { octets } = await sealed(node);
  outgoing.write(octets.subarray(0, -1));
  await new Promise((resolve) => setTimeout(resolve, 50));
  outgoing.destroy();
  await expect.poll(() => node.events).toMatchObject([{ event: 'request_refused', code: 'internal_error' }]);
  expect(node.requests).toHaveLength(0);
});

it('refuses before the body has ended, and the connection serves the next request', async () => {
  const node = await listen();
  const { octets } = await sealed(node);
  const unknown = octets.slice();
  unknown[0] = 255 ^ (octets[0] ?? 0);
  const outgoing = await post(node);
  outgoing.write(unknown.subarray(0, 2000));
  const response = await responseTo(outgoing);
  expect(JSON.parse(String(await response.toArray()))).toMatchObject({ error: { code: 'key_unknown' } });
  outgoing.end();
  const again = await post(node);
  again.end(octets);
  expect((await responseTo(again)).statusCode).toBe(200);
});

it('answers an unsealed request, an unknown route and the key list as the fetch form does', async () => {
  const node = await listen();
  const outgoing = await post(node, 'application/json');
  outgoing.end('{}');
  const refused = await responseTo(outgoing);
  expect(JSON.parse(String(await refused.toArray()))).toMatchObject({ error: { code: 'unsealed_request' } });
  const port = portOf();
  const list = await fetch(`http://127.0.0.1:${port}${GATEWAY_PATH}`);
  expect(await list.bytes()).toEqual(node.epochs.current.keyList);
  expect((await fetch(`http://127.0.0.1:${port}/nowhere`)).status).toBe(404);
});

it('stops reading from the engine while the client does not read', async () => {
  let pulled = 0;
  const piece = toUtf8(`data: ${'x'.repeat(1 << 20)}\n\n`);
  const node = await listen(() =>
    json(
      new ReadableStream({
        async pull(controller) {
          pulled++;
          await new Promise((resolve) => setTimeout(resolve));
          controller.enqueue(piece as Bytes);
        },
      }),
    ),
  );
  const outgoing = await post(node);
  outgoing.end((await sealed(node)).octets);
  const response = await responseTo(outgoing);
  response.pause();
  // Sockets hold some megabytes; after that nothing more is asked for.
  const pulledMeanwhile = async (): Promise<number> => {
    const before = pulled;
    await new Promise((resolve) => setTimeout(resolve, 300));
    return pulled - before;
  };
  await expect.poll(pulledMeanwhile, { timeout: 15_000 }).toBe(0);
  response.destroy();
});
