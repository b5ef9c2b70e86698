// What of a request reaches the engine: the client's own octets, less what reaches past the request, and the cache salt.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CacheSalts } from '../../../../backend/adapter/dialects/cache-salt.ts';
import { checkSurface } from '../../../../backend/adapter/dialects/check-surface.ts';
import { ENGINE_TRAITS } from '../../../../backend/adapter/dialects/engine-traits.ts';
import { SERVABLE_ROUTES, translateRequest } from '../../../../backend/adapter/dialects/translate-request.ts';
import { WITHHELD_MEMBERS } from '../../../../backend/adapter/dialects/withheld-members.ts';
import { FEATURES } from '../../../../backend/adapter/limits/check-features.ts';
import { ALL_ROUTES, fixedOffer, refusalOf, translate } from './scripted-chat.ts';

const CHAT = '/v1/chat/completions';
const text = (body: Uint8Array) => new TextDecoder().decode(body);
const session = (letter: string): [string, string][] => [['cloister-session', letter.repeat(43)]];

describe('a request in OpenAI’s own words', () => {
  test('reaches the engine octet for octet when nothing is withheld', () => {
    const body =
      ' {"model" : "t",\t"odd":[1e400, -0, 1.10, 12345678901234567890, "\\u00e9é"]\n,"messages":[]} ';
    expect(text(translate(CHAT, body).request.body)).toBe(body);
  });

  test('keeps every other member as it was written when something is', () => {
    const body =
      '{"user":"me", "odd" : 1e400,"cache_salt":"mine","deep":{"user":"stays"},"n":1 , "us\\u0065r_":2}';
    expect(text(translate(CHAT, body).request.body)).toBe(
      '{"odd" : 1e400,"deep":{"user":"stays"},"n":1,"us\\u0065r_":2}',
    );
  });

  test('keeps every other member for any JSON', () => {
    const name = fc.oneof(fc.string(), fc.constantFrom('user', 'cache_salt', 'metadata', 'a,"b', '}'));
    fc.assert(
      fc.property(
        fc.dictionary(name, fc.jsonValue({ maxDepth: 3 })),
        fc.constantFrom(0, 1, 2),
        (object, indent) => {
          const body = JSON.stringify(object, null, indent);
          const refused = refusalOf(() => translate(CHAT, body));
          if (refused !== undefined) return;
          const kept = Object.fromEntries(
            Object.entries(object).filter(([key]) => !WITHHELD_MEMBERS.has(key)),
          );
          expect(JSON.parse(text(translate(CHAT, body).request.body))).toEqual(
            JSON.parse(JSON.stringify(kept)),
          );
        },
      ),
    );
  });

  test.each([...WITHHELD_MEMBERS])(
    'never carries %s to the engine, in no spelling and on no route',
    (member) => {
      const spelled = `\\u${member.charCodeAt(0).toString(16).padStart(4, '0')}${member.slice(1)}`;
      for (const path of [
        '/v1/chat/completions',
        '/v1/completions',
        '/v1/embeddings',
        '/v1/responses',
        '/v1/messages',
      ])
        for (const name of [member, spelled]) {
          const body = `{"model":"t","input":"x","max_tokens":1,"messages":[{"role":"user","content":"x"}],"${name}":"CANARY"}`;
          expect(text(translate(path, body).request.body)).not.toContain('CANARY');
        }
    },
  );

  test('has no header of the client’s', () => {
    const { request } = translate(CHAT, {}, fixedOffer(), [
      ...session('a'),
      ['anthropic-beta', 'x'],
      ['cloister-cache-salt', 'mine'],
      ['authorization', 'Bearer x'],
    ]);
    expect(Object.keys(request.headers).sort()).toEqual(['cloister-cache-salt', 'content-type']);
    expect(request.headers['cloister-cache-salt']).not.toBe('mine');
  });

  test('that would have its answer stored is refused', () => {
    expect(refusalOf(() => translate(CHAT, { store: true }))).toEqual({
      code: 'nothing_retained',
      param: 'store',
    });
    expect(refusalOf(() => translate(CHAT, { store: false }))).toBeUndefined();
  });
});

describe('the cache salt', () => {
  const random = () => new Uint8Array(32).fill(7);
  const saltOf = (offer: ReturnType<typeof fixedOffer>, headers: [string, string][] = []) =>
    translate(CHAT, {}, offer, headers).request.headers['cloister-cache-salt'];

  test('is one for a session, another for another, and says nothing of it', () => {
    const offer = fixedOffer();
    const salt = saltOf(offer, session('a'));
    expect(salt).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(saltOf(offer, session('a'))).toBe(salt);
    expect(saltOf(offer, session('b'))).not.toBe(salt);
    expect(salt).not.toContain('aaa');
  });

  test('is another on another node, and another for each request without a session', () => {
    let count = 0;
    const counting = (octets: number) => new Uint8Array(octets).fill(++count);
    const [one, two] = [new CacheSalts(counting), new CacheSalts(counting)];
    expect(one.saltOf('s')).not.toBe(two.saltOf('s'));
    expect(one.saltOf(undefined)).not.toBe(one.saltOf(undefined));
  });

  test('stands where the engine wants it, instead of the client’s', () => {
    const salts = new CacheSalts(random);
    const salt = salts.saltOf('a'.repeat(43));
    const ask = (kind: keyof typeof ENGINE_TRAITS) =>
      translate(
        CHAT,
        { cache_salt: 'mine', cache_prompt: true },
        fixedOffer({ salts, traits: ENGINE_TRAITS[kind] }),
        session('a'),
      ).request;
    expect(text(ask('vllm').body)).toBe(`{"cache_salt":"${salt}"}`);
    expect(ask('vllm').headers).not.toHaveProperty('cloister-cache-salt');
    expect(text(ask('llama-server').body)).toBe('{"cache_prompt":false}');
    expect(text(ask('node-llama-cpp').body)).toBe('{}');
    expect(ask('node-llama-cpp').headers['cloister-cache-salt']).toBe(salt);
  });
});

describe('a route', () => {
  test.each(SERVABLE_ROUTES)('%s is served exactly when the surface has it', (route) => {
    const [method = '', path = ''] = route.split(' ');
    const body = new TextEncoder().encode(
      '{"model":"t","input":"x","max_tokens":1,"messages":[{"role":"user","content":"x"}]}',
    );
    const ask = (routes: readonly string[]) =>
      refusalOf(() => translateRequest({ method, path, headers: [], body }, fixedOffer({ routes })));
    expect(ask([route])).toBeUndefined();
    expect(ask(SERVABLE_ROUTES.filter((other) => other !== route))).toMatchObject({
      code: 'route_not_offered',
    });
  });

  test('of the surface that nobody here can serve is not passed on to the engine', () => {
    const ask = () =>
      translateRequest(
        { method: 'POST', path: '/slots/0?action=save', headers: [], body: new Uint8Array() },
        fixedOffer({ routes: ['POST /slots/0'] }),
      );
    expect(refusalOf(ask)).toMatchObject({ code: 'route_not_offered' });
  });

  test('is meant without its query, and none is passed on', () => {
    expect(translate(`${CHAT}?beta=true`, {}).request.path).toBe(CHAT);
  });

  test('stands in the tests’ own list', () => {
    expect([...SERVABLE_ROUTES].sort()).toEqual([...ALL_ROUTES].sort());
  });

  test('that the engine speaks natively passes through, checked all the same', () => {
    const traits = { cacheSalt: 'member', nativeRoutes: ['POST /v1/responses'] } as const;
    const offer = fixedOffer({ traits });
    const { request } = translate('/v1/responses', { input: 'x', user: 'u' }, offer);
    expect(request.path).toBe('/v1/responses');
    expect(text(request.body)).toMatch(/^{"input":"x","cache_salt":"[\w-]{43}"}$/);
    for (const body of [
      { input: 'x', store: true },
      { input: 'x', previous_response_id: 'r' },
      { input: 'x', background: true },
    ])
      expect(refusalOf(() => translate('/v1/responses', body, offer))).toMatchObject({
        code: 'nothing_retained',
      });
  });
});

describe('a surface', () => {
  test('is attested only when all of it can be served', () => {
    expect(() => checkSurface({ routes: SERVABLE_ROUTES, features: FEATURES })).not.toThrow();
    const beyond = { routes: ['POST /slots/0', 'GET /v1/models'], features: ['telepathy'] };
    expect(() => checkSurface(beyond)).toThrowError(
      expect.objectContaining({ code: 'surface_not_servable', names: ['POST /slots/0', 'telepathy'] }),
    );
  });
});
