import { request } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { type LocalEndpoint, startLocalEndpoint } from '../../../shared/cli/local-endpoint.ts';
import { CloisterError, StreamTruncatedError } from '../../../shared/client/cloister-error.ts';
import type { Cloister } from '../../../shared/client/create-cloister.ts';
import { VerificationError } from '../../../shared/verifier/verification-error.ts';

let endpoint: LocalEndpoint | undefined;
afterEach(() => endpoint?.close());

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly cut: boolean;
}

async function start(fetch: Cloister['fetch']): Promise<URL> {
  const cloister = { fetch, baseURL: 'http://edge.invalid/v1' } as Cloister;
  endpoint = await startLocalEndpoint(cloister, 0);
  return new URL(endpoint.url);
}

function ask(url: URL, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      { host: url.hostname, port: url.port, path, headers, method: 'POST' },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        const done = (cut: boolean) => resolve({ status: response.statusCode ?? 0, body, cut });
        response.on('end', () => done(false)).on('error', () => done(true));
      },
    );
    call.on('error', reject).end('{"prompt":1}');
  });
}

describe('the local endpoint', () => {
  test('sends what it gets through the sealed fetch and streams what comes back', async () => {
    const seen: string[] = [];
    const url = await start(async (input, init) => {
      const call = new Request(input, init);
      seen.push(
        call.method,
        new URL(call.url).pathname,
        await call.text(),
        call.headers.get('authorization') ?? 'none',
      );
      return new Response('data: hello\n\n', { headers: { 'content-type': 'text/event-stream' } });
    });
    const answer = await ask(url, '/v1/chat/completions', {
      authorization: 'Bearer local',
      'content-type': 'application/json',
    });
    expect(answer).toEqual({ status: 200, body: 'data: hello\n\n', cut: false });
    expect(seen).toEqual(['POST', '/v1/chat/completions', '{"prompt":1}', 'none']);
  });

  test('takes a base URL without /v1 too', async () => {
    const url = await start(async (input) => new Response(new URL(String(input)).pathname));
    expect((await ask(url, '/chat/completions')).body).toBe('/v1/chat/completions');
  });

  test('takes the key of either SDK and passes neither on; of Anthropic’s headers those that mean something', async () => {
    const seen: Headers[] = [];
    const url = await start(async (input, init) => {
      seen.push(new Request(input, init).headers);
      return new Response('{}');
    });
    await ask(url, '/v1/messages', {
      'x-api-key': 'sk-ant-secret',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'a',
      'x-stainless-retry-count': '1',
      'x-stainless-os': 'Linux',
      'user-agent': 'me',
      'content-type': 'application/json',
    });
    expect([...(seen[0] as Headers).keys()].sort()).toEqual([
      'anthropic-beta',
      'anthropic-version',
      'content-type',
      'x-stainless-retry-count',
    ]);
    expect(JSON.stringify([...(seen[0] as Headers)])).not.toContain('secret');
  });

  test.each(['/v1/messages?beta=true', '/messages?beta=true', '/v1/v1/messages?beta=true'])(
    'finds the route under every base URL: %s',
    async (path) => {
      const url = await start(async (input) => {
        const { pathname, search } = new URL(String(input));
        return new Response(pathname + search);
      });
      expect((await ask(url, path)).body).toBe('/v1/messages?beta=true');
    },
  );

  test.each([
    [
      'a refused proof',
      () =>
        new VerificationError({
          code: 'policy_surface',
          violations: [{ code: 'policy_surface', step: 's' }],
          steps: [],
        }),
      403,
    ],
    ['a request that cannot be sealed', () => new CloisterError('request_unsupported', 'm'), 413],
    ['no node', () => new CloisterError('no_node_available', 'm'), 503],
    ['an edge that is not there', () => new CloisterError('edge_unreachable', 'm'), 502],
  ])('says in its status what is worth another try: %s', async (_, make, status) => {
    const url = await start(async () => {
      throw make();
    });
    for (const path of ['/v1/chat/completions', '/v1/messages']) {
      const answer = await ask(url, path);
      expect(answer.status).toBe(status);
      expect(JSON.parse(answer.body)).toMatchObject({ error: { type: 'cloister_error' } });
      expect(JSON.parse(answer.body).type).toBe(path === '/v1/messages' ? 'error' : undefined);
    }
  });

  test.each([
    ['a rebound name', { host: 'evil.example' }],
    ['a rebound name with our port', { host: 'evil.example:8788' }],
    ['a foreign origin', { origin: 'https://evil.example' }],
    ['an opaque origin', { origin: 'null' }],
  ])('refuses %s before it reads anything', async (_, headers) => {
    let called = false;
    const url = await start(async () => {
      called = true;
      return new Response();
    });
    expect((await ask(url, '/v1/models', headers as unknown as Record<string, string>)).status).toBe(403);
    expect(called).toBe(false);
  });

  test('a truncated answer is a cut connection, never a normal end', async () => {
    const url = await start(async () => {
      let sent = false;
      const body = new ReadableStream({
        async pull(controller) {
          if (sent) {
            await new Promise((resolve) => setTimeout(resolve, 50));
            controller.error(new StreamTruncatedError());
          } else {
            sent = true;
            controller.enqueue(new TextEncoder().encode('data: half'));
          }
        },
      });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    });
    expect(await ask(url, '/v1/chat/completions')).toEqual({ status: 200, body: 'data: half', cut: true });
  });

  test('a client error arrives with its code', async () => {
    const url = await start(async () => {
      throw new StreamTruncatedError();
    });
    const answer = await ask(url, '/v1/chat/completions');
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body).error.code).toBe('stream_truncated');
  });
});
