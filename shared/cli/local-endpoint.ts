// A small OpenAI endpoint on loopback, so that curl and every other language can use the sealed path without an SDK.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CloisterError, type CloisterErrorCode } from '../client/cloister-error.ts';
import type { Cloister } from '../client/create-cloister.ts';
import { VerificationError } from '../verifier/verification-error.ts';
import { LIMIT } from '../wire/limits.ts';
import { publicErrorBody } from '../wire/public-error.ts';
import { INFERENCE_PREFIX } from '../wire/routes.ts';

const LOOPBACK = '127.0.0.1';
const HEADERS_MILLISECONDS = 10_000;
const PASSED_UP = [
  'content-type',
  'accept',
  'idempotency-key',
  'anthropic-version',
  'anthropic-beta',
  // Says that an SDK tries again, so that the client goes on with what it had begun.
  'x-stainless-retry-count',
];
const PASSED_DOWN = [
  'content-type',
  'cache-control',
  'x-should-retry',
  'retry-after',
  'retry-after-ms',
  'x-request-id',
];

export interface LocalEndpoint {
  /** `http://127.0.0.1:<port>`; the OpenAI API is under `/v1`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Anthropic's API, whose errors have a shape of their own. */
const MESSAGES_PATH = '/v1/messages';
/** What came to nothing because of the request or the policy, and not on the way: asking again would change nothing. */
const CLIENT_STATUS: Partial<Record<CloisterErrorCode, number>> = {
  request_unsupported: 413,
  no_node_available: 503,
};
const REFUSED_STATUS = 403;
const LOST_STATUS = 502;

/**
 * Listens on loopback only and sends every `/v1/…` request through `cloister.fetch`. Any API key, or none, is accepted, as
 * `authorization` or as `x-api-key`, and goes nowhere: the edge credential is the client's. A request whose Host is not this endpoint's own loopback name, or that carries an
 * Origin of another site, is refused before anything else: a web page must not reach a user's prompts by DNS rebinding.
 * `port` 0 takes a free one.
 */
export async function startLocalEndpoint(cloister: Cloister, port: number): Promise<LocalEndpoint> {
  const server = createServer({ headersTimeout: HEADERS_MILLISECONDS });
  server.on('request', (request, response) => {
    handle(request, response, cloister, (server.address() as AddressInfo | null)?.port ?? 0).catch(() =>
      response.destroy(),
    );
  });
  await listen(server, port);
  return {
    url: `http://${LOOPBACK}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, resolve);
  });
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  cloister: Cloister,
  port: number,
): Promise<void> {
  if (!isOwnHost(request.headers.host, port) || !isOwnOrigin(request.headers.origin, port))
    return sendError(response, 403, 'This endpoint answers programs on this machine only.');
  // SDKs disagree on whether a base URL ends in /v1; every spelling means the same here.
  const path = INFERENCE_PREFIX + (request.url ?? '/').replace(/^\/(?:v1\/)*/, '');
  const body = await readBody(request);
  if (body === undefined) return sendError(response, 413, 'The request is larger than this service takes.');

  const gone = new AbortController();
  response.once('close', () => gone.abort());
  let answer: Response;
  try {
    answer = await cloister.fetch(new URL(path, cloister.baseURL), {
      method: request.method ?? 'GET',
      headers: pick(PASSED_UP, (name) => request.headers[name]),
      ...(body.length > 0 && { body }),
      signal: gone.signal,
    });
  } catch (error) {
    if (gone.signal.aborted) return;
    return sendFailure(response, error, path.startsWith(MESSAGES_PATH));
  }
  response.writeHead(
    answer.status,
    pick(PASSED_DOWN, (name) => answer.headers.get(name) ?? undefined),
  );
  response.flushHeaders();
  try {
    for await (const piece of answer.body ?? []) {
      if (!response.write(piece))
        await new Promise((resolve) => response.once('drain', resolve).once('close', resolve));
      if (response.destroyed) return;
    }
    response.end();
  } catch {
    // Cut, so that no client takes it for a finished answer: the connection goes without the last chunk of its framing.
    response.destroy();
  }
}

function isOwnHost(host: string | undefined, port: number): boolean {
  return host === `${LOOPBACK}:${port}` || host === `localhost:${port}`;
}

function isOwnOrigin(origin: string | undefined, port: number): boolean {
  return origin === undefined || isOwnHost(origin.replace(/^http:\/\//, ''), port);
}

async function readBody(request: IncomingMessage): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > LIMIT.sealedRequestBytes / 2) return undefined;
    pieces.push(piece);
  }
  return new Uint8Array(Buffer.concat(pieces));
}

function pick(
  names: readonly string[],
  value: (name: string) => string | string[] | undefined,
): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of names) {
    const found = value(name);
    if (typeof found === 'string') headers[name] = found;
  }
  return headers;
}

// A refusal is a client error: with a server's, or with a lost connection, SDKs would ask again.
function sendFailure(response: ServerResponse, error: unknown, asMessages: boolean): void {
  if (error instanceof VerificationError || error instanceof CloisterError) {
    const { message, code } = error;
    const body = { error: { message, type: 'cloister_error', param: null, code } };
    const status =
      error instanceof VerificationError ? REFUSED_STATUS : (CLIENT_STATUS[error.code] ?? LOST_STATUS);
    send(response, status, asMessages ? { type: 'error', ...body } : body);
  } else send(response, 500, publicErrorBody('internal_error'));
}

function sendError(response: ServerResponse, status: number, message: string): void {
  send(response, status, {
    error: { message, type: 'invalid_request_error', param: null, code: 'invalid_request' },
  });
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json', 'x-should-retry': 'false' });
  response.end(JSON.stringify(body));
}
