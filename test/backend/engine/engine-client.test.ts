// What the client of an engine makes of engines that behave and of engines that do not.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSocketServer, type Server as SocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EngineClient } from '../../../backend/engine/engine-client.ts';

let folder: string;
let socketPath: string;
let server: Server | SocketServer | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'client-'));
  socketPath = join(folder, 'e.sock');
});

afterEach(async () => {
  if (server && 'closeAllConnections' in server) server.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
  rmSync(folder, { recursive: true });
});

const CAPS = { bytes: 1000, milliseconds: 400 };

async function serve(listener: RequestListener): Promise<EngineClient> {
  const http = createServer(listener);
  server = http;
  await new Promise<void>((resolve) => http.listen(socketPath, resolve));
  return new EngineClient(socketPath, CAPS);
}

async function serveOctets(octets: string): Promise<EngineClient> {
  const raw = createSocketServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(octets));
  });
  server = raw;
  await new Promise<void>((resolve) => raw.listen(socketPath, resolve));
  return new EngineClient(socketPath, CAPS);
}

const post = {
  method: 'POST',
  path: '/v1/x',
  headers: { 'content-type': 'a/b' },
  body: new TextEncoder().encode('hello'),
};

describe('an engine that behaves', () => {
  it('gets what was asked and nothing else, and of its headers only the type comes back', async () => {
    const client = await serve((request, response) => {
      request.on('data', (body: Buffer) => {
        response.setHeader('set-cookie', 'a=b');
        response.setHeader('x-secret', 'out');
        response.writeHead(201, { 'content-type': 'text/plain' });
        response.end(`${request.method} ${request.url} ${JSON.stringify(request.headers)} ${body}`);
      });
    });
    const answer = await client.request(post);
    expect([answer.status, answer.headers]).toEqual([201, { 'content-type': 'text/plain' }]);
    const headers = {
      'content-type': 'a/b',
      host: 'engine',
      'content-length': '5',
      connection: 'keep-alive',
    };
    expect(await new Response(answer.body).text()).toBe(`POST /v1/x ${JSON.stringify(headers)} hello`);
    client.close();
  });

  it('is not sent a second connection while the first is idle', async () => {
    let connections = 0;
    const client = await serve((_request, response) => void response.end('x'));
    server?.on('connection', () => connections++);
    for (let i = 0; i < 3; i++) await new Response((await client.request(post)).body).text();
    expect(connections).toBe(1);
    client.close();
  });

  it('gives its pieces as they come', async () => {
    const client = await serve((_request, response) => {
      response.write('one');
      setTimeout(() => response.end('two'), 50);
    });
    const pieces: string[] = [];
    for await (const piece of (await client.request(post)).body) pieces.push(new TextDecoder().decode(piece));
    expect(pieces).toEqual(['one', 'two']);
    client.close();
  });
});

describe('an engine that does not', () => {
  const read = async (client: EngineClient) => new Response((await client.request(post)).body).text();

  it.each<[string, RequestListener, string]>([
    ['redirects', (_q, r) => void r.writeHead(302, { location: 'http://x/' }).end(), 'engine_answer_invalid'],
    ['says too much', (_q, r) => void r.end('x'.repeat(1001)), 'engine_answer_too_large'],
    ['never answers', () => undefined, 'engine_timeout'],
    ['never ends', (_q, r) => void r.write('x'), 'engine_timeout'],
    ['hangs up', (_q, r) => void r.destroy(), 'engine_crashed'],
    [
      'dies in an answer of known length',
      (_q, r) => void r.writeHead(200, { 'content-length': 9 }).write('x', () => r.destroy()),
      'engine_crashed',
    ],
    ['dies in a stream', (_q, r) => void r.write('x', () => r.destroy()), 'engine_crashed'],
  ])('%s', async (_name, listener, code) => {
    const client = await serve(listener);
    await expect(read(client)).rejects.toMatchObject({ name: 'EngineError', code });
    client.close();
  });

  it.each([
    ['no HTTP', 'hello\r\n\r\n', 'engine_answer_invalid'],
    ['a head without an end', `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(20_000)}`, 'engine_answer_invalid'],
    ['a cut chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel', 'engine_crashed'],
    [
      'chunks without a last one',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n',
      'engine_crashed',
    ],
    [
      'a switch of protocols',
      'HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
      'engine_crashed',
    ],
  ])('answers %s', async (_name, octets, code) => {
    const client = await serveOctets(octets);
    await expect(read(client)).rejects.toMatchObject({ code });
    client.close();
  });

  it('is not there', async () => {
    await expect(new EngineClient(socketPath).request(post)).rejects.toMatchObject({
      code: 'engine_unavailable',
    });
  });

  it('is not healthy', async () => {
    const client = await serve((_q, r) => void r.end('{"status":"fine"}'));
    await expect(client.health()).rejects.toMatchObject({ code: 'engine_answer_invalid' });
    client.close();
  });
});

describe('a caller that leaves', () => {
  it('before, while waiting and while reading', async () => {
    let closed = 0;
    const client = await serve((request, response) => {
      response.on('close', () => closed++);
      if (request.url === '/stream') response.write('x');
    });
    const signal = AbortSignal.abort();
    await expect(client.request({ ...post, signal })).rejects.toMatchObject({ code: 'engine_aborted' });
    expect(closed).toBe(0);

    const waiting = new AbortController();
    const pending = expect(client.request({ ...post, signal: waiting.signal })).rejects.toMatchObject({
      code: 'engine_aborted',
    });
    setTimeout(() => waiting.abort(), 30);
    await pending;
    await expect.poll(() => closed).toBe(1);

    const reading = new AbortController();
    const answer = await client.request({ ...post, path: '/stream', signal: reading.signal });
    setTimeout(() => reading.abort(), 30);
    await expect(new Response(answer.body).text()).rejects.toMatchObject({ code: 'engine_aborted' });
    await expect.poll(() => closed).toBe(2);

    const cancelled = await client.request({ ...post, path: '/stream' });
    await cancelled.body.cancel();
    await expect.poll(() => closed).toBe(3);
    client.close();
  });
});
