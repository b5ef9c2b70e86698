// The gate: who gets in, what is refused before it is read, and what every answer carries.

import { reset } from 'cloudflare:test';
import { afterEach, describe, expect, it } from 'vitest';
import { toHex } from '../../shared/bytes/hex.ts';
import { DIRECTORY_PATH, GATEWAY_PATH, HEALTH_PATH, MODELS_PATH } from '../../shared/wire/routes.ts';
import { API_KEY, codeOf, startEdge } from './edge-fixture.ts';

afterEach(reset);

const SEALED = { 'content-type': 'message/ohttp-chunked-req' };

/** A body that counts how often anybody asked it for octets. */
function watchedBody(): { body: ReadableStream<Uint8Array>; pulls: () => number } {
  let pulls = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        pulls++;
        controller.enqueue(new Uint8Array(16));
      },
    },
    { highWaterMark: 0 },
  );
  return { body, pulls: () => pulls };
}

describe('unsealed requests', () => {
  it.each([
    ['POST', '/v1/chat/completions', 'application/json'],
    ['POST', '/v1/chat/completions', undefined],
    ['POST', '/v1/responses', 'application/json'],
    ['PUT', '/v1/anything', 'text/plain'],
    ['POST', MODELS_PATH, 'application/json'],
    ['POST', GATEWAY_PATH, 'application/json'],
    ['POST', GATEWAY_PATH, undefined],
    ['POST', GATEWAY_PATH, 'message/ohttp-chunked-req; charset=utf-8'],
    ['POST', GATEWAY_PATH, 'message/ohttp-res'],
  ])('are refused before the body is read, without a key: %s %s %s', async (method, path, type) => {
    const edge = await startEdge();
    const { body, pulls } = watchedBody();
    const response = await edge.fetch(path, {
      method,
      body,
      headers: type === undefined ? {} : { 'content-type': type },
    });
    expect(response.status).toBe(415);
    expect(await codeOf(response)).toBe('unsealed_request');
    expect(pulls()).toBe(0);
    expect(edge.fetches).toBe(0);
    expect(edge.poolReads).toBe(0);
  });

  it('are refused with a key as well', async () => {
    const edge = await startEdge();
    const { body, pulls } = watchedBody();
    const response = await edge.fetch('/v1/chat/completions', {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
    });
    expect(await codeOf(response)).toBe('unsealed_request');
    expect(pulls()).toBe(0);
  });

  it('get no preflight, so that a browser never sends the prompt', async () => {
    const edge = await startEdge();
    const response = await edge.fetch('/v1/chat/completions', { method: 'OPTIONS' });
    expect(response.status).toBe(415);
    expect(response.headers.has('access-control-allow-headers')).toBe(false);
  });

  it('sealed bodies on an inner route are sent to the gateway path, unread', async () => {
    const edge = await startEdge();
    const { body, pulls } = watchedBody();
    const response = await edge.fetch('/v1/chat/completions', { method: 'POST', body, headers: SEALED });
    expect(response.status).toBe(415);
    const error = await response.json<{ error: { code: string; message: string } }>();
    expect(error.error.code).toBe('unsealed_request');
    expect(error.error.message).toContain(GATEWAY_PATH);
    expect(pulls()).toBe(0);
  });
});

describe('API keys', () => {
  it.each([
    ['absent', undefined],
    ['wrong', 'Bearer sk-wrong'],
    ['empty', 'Bearer '],
    ['another scheme', `Basic ${API_KEY}`],
    ['a prefix of the key', `Bearer ${API_KEY.slice(0, -1)}`],
    ['the key with more after it', `Bearer ${API_KEY}x`],
    ['longer than any key', `Bearer ${'x'.repeat(600)}`],
  ])('uniform 401 when %s', async (_, authorization) => {
    const edge = await startEdge();
    const { body, pulls } = watchedBody();
    const response = await edge.fetch(GATEWAY_PATH, {
      method: 'POST',
      body,
      headers: authorization === undefined ? SEALED : { ...SEALED, authorization },
    });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await response.json()).toEqual({
      error: {
        message: 'The API key is missing or not valid.',
        type: 'authentication_error',
        param: null,
        code: 'invalid_api_key',
      },
    });
    expect(pulls()).toBe(0);
  });

  it('models want one too', async () => {
    const edge = await startEdge();
    expect((await edge.fetch(MODELS_PATH)).status).toBe(401);
  });

  it('the digest of a key is not a key', async () => {
    const edge = await startEdge();
    const digest = toHex(
      new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(API_KEY))),
    );
    const response = await edge.fetch(MODELS_PATH, { headers: { authorization: `Bearer ${digest}` } });
    expect(response.status).toBe(401);
  });

  it('one of several keys is found', async () => {
    const edge = await startEdge();
    const keys = JSON.parse(edge.bindings.CLOISTER_API_KEYS ?? '') as Record<string, string>;
    const bindings = {
      ...edge.bindings,
      CLOISTER_API_KEYS: JSON.stringify({ ['0'.repeat(64)]: 'first', ...keys, ['f'.repeat(64)]: 'last' }),
    };
    const response = await edge.fetch(
      MODELS_PATH,
      { headers: { authorization: `bearer ${API_KEY}` } },
      bindings,
    );
    expect(response.status).toBe(200);
  });
});

describe('configuration', () => {
  const privateKey = { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43), d: 'B'.repeat(43) };
  it.each([
    ['CLOISTER_API_KEYS', undefined],
    ['CLOISTER_API_KEYS', ''],
    ['CLOISTER_API_KEYS', '{not json'],
    ['CLOISTER_API_KEYS', '[]'],
    ['CLOISTER_API_KEYS', '{"sk-not-a-digest":"a"}'],
    ['CLOISTER_API_KEYS', `{"${'0'.repeat(64)}":"has space"}`],
    ['CLOISTER_API_KEYS', `{"${'0'.repeat(64)}":7}`],
    ['CLOISTER_ATTESTATION_KEYS', undefined],
    ['CLOISTER_ATTESTATION_KEYS', 'null'],
    ['CLOISTER_ATTESTATION_KEYS', '{"keys":[{"kty":"RSA"}]}'],
    ['CLOISTER_ATTESTATION_KEYS', JSON.stringify({ keys: [privateKey] })],
    ['CLOISTER_ORIGIN', 'https://edge.example/path'],
    ['CLOISTER_ORIGIN', 'edge.example'],
  ])('%s = %s: nothing is served, the variable is named, its value is not', async (variable, value) => {
    const edge = await startEdge();
    const bindings = { ...edge.bindings, [variable]: value };
    for (const path of [HEALTH_PATH, DIRECTORY_PATH, MODELS_PATH]) {
      const response = await edge.fetch(path, {}, bindings);
      expect(response.status).toBe(500);
      const text = await response.text();
      expect(text).toContain('edge_misconfigured');
      expect(text).toContain(variable);
      if (value !== undefined && value.length > 4) expect(text).not.toContain(value);
    }
    expect(edge.events).toContainEqual({ event: 'configuration_refused', variable });
  });
});

describe('sizes', () => {
  it('a declared length above the limit is refused unread', async () => {
    const edge = await startEdge();
    const { body, pulls } = watchedBody();
    const response = await edge.post(body, { 'content-length': String(16 * 1024 * 1024 + 1) });
    expect(response.status).toBe(413);
    expect(await codeOf(response)).toBe('request_too_large');
    expect(pulls()).toBe(0);
  });

  it('a registration is cut at its limit, not read to its end', async () => {
    const edge = await startEdge();
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulls++;
          controller.enqueue(new Uint8Array(512 * 1024));
        },
      },
      { highWaterMark: 0 },
    );
    const response = await edge.fetch(`${DIRECTORY_PATH}/${'A'.repeat(22)}`, { method: 'PUT', body });
    expect(response.status).toBe(413);
    expect(pulls).toBe(5);
  });
});

describe('every answer', () => {
  it.each([
    ['GET', HEALTH_PATH, 200],
    ['GET', '/nothing/here', 404],
    ['GET', '/', 404],
    ['POST', '/v1/chat/completions', 415],
    ['GET', MODELS_PATH, 401],
    ['DELETE', GATEWAY_PATH, 405],
    ['POST', DIRECTORY_PATH, 405],
    ['POST', `${DIRECTORY_PATH}/x`, 405],
    ['OPTIONS', GATEWAY_PATH, 204],
    ['OPTIONS', DIRECTORY_PATH, 204],
    ['OPTIONS', MODELS_PATH, 204],
    ['GET', DIRECTORY_PATH, 200],
    ['GET', GATEWAY_PATH, 503],
  ])('has a request id of its own, CORS and safety headers: %s %s', async (method, path, status) => {
    const edge = await startEdge();
    const response = await edge.fetch(path, { method, headers: { 'x-request-id': 'chosen outside' } });
    expect(response.status).toBe(status);
    expect(response.headers.get('x-request-id')).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('access-control-expose-headers')).toContain('x-request-id');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    if (status === 405) expect(response.headers.get('allow')).toContain('GET');
    if (status >= 400) await codeOf(response);
  });

  it('a preflight names what a browser may send to the gateway', async () => {
    const edge = await startEdge();
    const response = await edge.fetch(GATEWAY_PATH, { method: 'OPTIONS' });
    expect(response.headers.get('access-control-allow-methods')).toContain('POST');
    for (const name of ['authorization', 'content-type', 'cloister-key', 'incremental'])
      expect(response.headers.get('access-control-allow-headers')).toContain(name);
  });
});

describe('the log', () => {
  it('holds nothing that was sent', async () => {
    const edge = await startEdge();
    const canary = 'canary-7f3a';
    await edge.fetch(`/${canary}?q=${canary}`, { headers: { authorization: `Bearer ${canary}` } });
    await edge.post(`${canary}`, { 'cloister-key': canary, 'user-agent': canary });
    await edge.send(canary, { result: canary });
    expect(edge.events.length).toBeGreaterThan(3);
    expect(JSON.stringify(edge.events)).not.toContain(canary);
  });
});
