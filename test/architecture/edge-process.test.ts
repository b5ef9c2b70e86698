// The built edge in a workerd of its own, over raw sockets: what only a real connection can show.

import { connect } from 'node:net';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unstable_readConfig as readConfig } from 'wrangler';
import { type BuiltEdge, buildEdge } from '../harness/build-edge.ts';

const configPath = fileURLToPath(new URL('../../wrangler.toml', import.meta.url));
const CONFIGURED = { CLOISTER_API_KEYS: '{}', CLOISTER_ATTESTATION_KEYS: '{"keys":[]}' };

const running: Miniflare[] = [];
let built: BuiltEdge;
let edge: URL;

beforeAll(async () => {
  built = await buildEdge();
  edge = await start(CONFIGURED);
}, 60_000);

afterAll(async () => {
  for (const each of running) await each.dispose();
});

/** Starts the built module with the date, flags and classes of wrangler.toml; returns its address. */
async function start(bindings: Readonly<Record<string, string>>): Promise<URL> {
  const config = readConfig({ config: configPath });
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      modules: [{ type: 'ESModule', path: 'index.js', contents: built.bundle.toString('utf8') }],
      ...(config.compatibility_date === undefined ? {} : { compatibilityDate: config.compatibility_date }),
      compatibilityFlags: config.compatibility_flags,
      durableObjects: { POOL: { className: 'Pool', useSQLite: true } },
      bindings,
      handleRuntimeStdio: (stdout: Readable, stderr: Readable) => {
        stdout.resume();
        stderr.resume();
      },
    }),
  );
  running.push(miniflare);
  return miniflare.ready;
}

/** Sends octets, leaves the connection open, and returns what arrives until `complete` says so or two seconds are over. */
function exchange(request: string, complete: (answer: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(edge.port), '127.0.0.1');
    let answer = '';
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(end, 2000);
    socket.on('error', reject);
    socket.on('data', (octets) => {
      answer += octets.toString('latin1');
      if (complete(answer)) end();
    });
    socket.write(request);
  });
}

const head = (method: string, path: string, headers: readonly string[]) =>
  [`${method} ${path} HTTP/1.1`, 'host: edge.example', ...headers, '', ''].join('\r\n');

const hasStatus = (answer: string) => answer.includes('\r\n\r\n');

describe('the edge as a process', () => {
  it.each([
    ['a body of which nothing has arrived', '/v1/chat/completions', 'content-length: 100000', ''],
    ['a body that never goes on', '/v1/chat/completions', 'content-length: 100000', '{"model":"x"'],
    ['a chunked body that never goes on', '/v1/responses', 'transfer-encoding: chunked', '5\r\n{"mod\r\n'],
    ['JSON for the gateway', '/.well-known/ohttp-gateway', 'content-length: 100000', '{"model":"x"'],
  ])('refuses an unsealed request without waiting for it: %s', async (_, path, length, part) => {
    const request = head('POST', path, ['content-type: application/json', length]) + part;
    expect(await exchange(request, hasStatus)).toMatch(/^HTTP\/1\.1 415 /);
  });

  it.each([
    ['two lengths', ['content-length: 5', 'content-length: 6'], 'hello'],
    ['a length that is no number', ['content-length: 5x'], 'hello'],
  ])('is not confused by %s', async (_, headers, body) => {
    const request = head('POST', '/.well-known/ohttp-gateway', [
      'content-type: message/ohttp-chunked-req',
      ...headers,
    ]);
    expect(await exchange(request + body, hasStatus)).toMatch(/^HTTP\/1\.1 4\d\d /);
  });

  it('starts without its variables and says on every path which one it misses', async () => {
    const bare = await start({});
    for (const path of ['/healthz', '/directory/nodes', '/v1/models', '/anything']) {
      const response = await fetch(new URL(path, bare));
      expect(response.status).toBe(500);
      const body = (await response.json()) as { error: { code: string; message: string } };
      expect(body.error.code).toBe('edge_misconfigured');
      expect(body.error.message).toContain('CLOISTER_API_KEYS');
    }
  });
});
