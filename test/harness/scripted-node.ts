// Nodes for the edge's tests: real HTTP servers on loopback whose behaviour is named by the second octet of the body.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';
import { SCRIPT } from './script.ts';

/** What a scripted node has seen of one request. */
export interface SeenRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  bytes: number;
  /** Whether the other side went away before the answer was complete. */
  aborted: boolean;
}

const SEALED = { 'content-type': 'message/ohttp-chunked-res' };
const SLOW_EVENTS = 5;
const SLOW_EVENT_MILLISECONDS = 100;

/** Starts two nodes for the run; their addresses are provided as `nodeAddresses`. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = await Promise.all([startNode(), startNode()]);
  project.provide(
    'nodeAddresses',
    servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`),
  );
  return async () => {
    for (const server of servers) server.closeAllConnections();
    await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  };
}

function startNode(): Promise<Server> {
  const seen: SeenRequest[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/seen') {
      response.setHeader('content-type', 'application/json');
      response.setHeader('content-encoding', 'identity');
      response.end(JSON.stringify(seen));
      return;
    }
    const entry: SeenRequest = {
      path: request.url ?? '',
      headers: { ...(request.headers as Record<string, string>) },
      bytes: 0,
      aborted: false,
    };
    seen.push(entry);
    response.on('close', () => {
      entry.aborted = !response.writableFinished;
    });
    let started = false;
    request.on('data', (chunk: Buffer) => {
      entry.bytes += chunk.length;
      if (started) return;
      started = true;
      play(chunk[1] ?? 0, chunk, request, response, entry);
    });
    request.on('error', () => undefined);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

function play(
  script: number,
  first: Buffer,
  request: IncomingMessage,
  response: ServerResponse,
  entry: SeenRequest,
): void {
  switch (script) {
    case SCRIPT.slowEvents: {
      response.writeHead(200, SEALED);
      let sent = 0;
      const timer = setInterval(() => {
        response.write(`${Date.now()}\n`);
        if (++sent === SLOW_EVENTS) {
          clearInterval(timer);
          response.end();
        }
      }, SLOW_EVENT_MILLISECONDS);
      return;
    }
    case SCRIPT.silent:
      return;
    case SCRIPT.endless: {
      response.writeHead(200, SEALED);
      const timer = setInterval(() => response.write('tick\n'), 20);
      response.on('close', () => clearInterval(timer));
      return;
    }
    case SCRIPT.keyProblem:
      refuse(response, 400, 'application/problem+json', {
        type: 'https://iana.org/assignments/http-problem-types#ohttp-key',
        title: 'node internals',
      });
      return;
    case SCRIPT.dateProblem:
      refuse(response, 400, 'application/problem+json', {
        type: 'https://iana.org/assignments/http-problem-types#date',
      });
      return;
    case SCRIPT.replayDetected:
      response.setHeader('retry-after', '7');
      response.setHeader('x-node-internals', 'leak');
      refuse(response, 400, 'application/json', {
        error: { code: 'replay_detected', message: 'node internals', type: 'x', param: 'leak' },
      });
      return;
    case SCRIPT.edgeOnlyCode:
      refuse(response, 401, 'application/json', { error: { code: 'invalid_api_key', message: 'x' } });
      return;
    case SCRIPT.htmlFailure:
      refuse(response, 500, 'text/html', { html: 'node internals' });
      return;
    case SCRIPT.redirect:
      response.writeHead(307, { location: 'http://127.0.0.1:1/elsewhere' });
      response.end();
      return;
    case SCRIPT.plaintext:
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.end('a plaintext answer');
      return;
    case SCRIPT.chattyHeaders:
      response.writeHead(200, {
        ...SEALED,
        'set-cookie': 'a=b',
        server: 'node internals',
        'cloister-load': '50',
        'x-node-internals': 'leak',
        'cache-control': 'public, max-age=99',
        'x-request-id': 'chosen by the node',
      });
      response.end('sealed');
      return;
    case SCRIPT.duplex:
      response.writeHead(200, SEALED);
      response.write(`${first.length}@${Date.now()}\n`);
      request.on('data', (chunk: Buffer) => {
        if (chunk !== first) response.write(`${chunk.length}@${Date.now()}\n`);
      });
      request.on('end', () => response.end());
      return;
    case SCRIPT.diesMidway:
      response.writeHead(200, SEALED);
      response.write('half');
      setTimeout(() => response.destroy(), 50);
      return;
    default:
      request.on('end', () => {
        response.writeHead(200, SEALED);
        response.end(JSON.stringify({ headers: entry.headers, bytes: entry.bytes }));
      });
  }
}

function refuse(response: ServerResponse, status: number, type: string, body: unknown): void {
  response.writeHead(status, { 'content-type': type });
  response.end(JSON.stringify(body));
}
