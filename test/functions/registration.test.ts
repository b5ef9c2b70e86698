// Registration: what a node must show, each way to fail it, and what the edge hands back.

import { reset, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it } from 'vitest';
import { fromBase64url, toBase64url } from '../../shared/bytes/base64url.ts';
import { concat } from '../../shared/bytes/concat.ts';
import { DIRECTORY_PATH } from '../../shared/wire/routes.ts';
import { codeOf, type EdgeFixture, makeKeyPair, type NodeScript, startEdge } from './edge-fixture.ts';

afterEach(reset);

const now = (edge: EdgeFixture) => Math.floor(edge.now.getTime() / 1000);
const random = (octets: number) => toBase64url(crypto.getRandomValues(new Uint8Array(octets)));

describe('a registration that holds', () => {
  it('is answered with a ticket key and an expiry', async () => {
    const edge = await startEdge();
    const response = await edge.put(await edge.makeNode([1]));
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const answer = await response.json<{ ticket_key: string; expires: number }>();
    expect(fromBase64url(answer.ticket_key)).toHaveLength(32);
    expect(answer.expires).toBe(now(edge) + 120);
    expect(edge.events).toContainEqual(expect.objectContaining({ event: 'registration_accepted', keys: 1 }));
  });

  it('keeps its ticket key while it is renewed in time, and gets another after a gap', async () => {
    const edge = await startEdge();
    const node = await edge.makeNode([1]);
    const first = await edge.register(node);
    edge.pass(60);
    const second = await edge.register(node);
    expect(second.ticket_key).toBe(first.ticket_key);
    edge.pass(121);
    const third = await edge.register(node);
    expect(third.ticket_key).not.toBe(first.ticket_key);
  });

  it('gives every node a ticket key of its own', async () => {
    const edge = await startEdge();
    const one = await edge.register(await edge.makeNode([1]));
    const two = await edge.register(await edge.makeNode([2]));
    expect(one.ticket_key).not.toBe(two.ticket_key);
  });

  it('lives no longer than the attestation result behind it', async () => {
    const edge = await startEdge();
    const node = await edge.makeNode([1], { result: { exp: now(edge) + 30 } });
    expect((await edge.register(node)).expires).toBe(now(edge) + 30);
  });

  it('may be affirmed by any of several services', async () => {
    const edge = await startEdge();
    const other = await makeKeyPair();
    const keys = JSON.stringify({ keys: [{ ...other.jwk, kid: 'a' }, edge.attester.jwk] });
    const node = await edge.makeNode([1]);
    const response = await edge.fetch(
      `${DIRECTORY_PATH}/${node.node}`,
      { method: 'PUT', body: JSON.stringify(await edge.registrationBody(node)) },
      { ...edge.bindings, CLOISTER_ATTESTATION_KEYS: keys },
    );
    expect(response.status).toBe(200);
  });

  it('is for the origin of the request where none is configured', async () => {
    const edge = await startEdge();
    const { CLOISTER_ORIGIN: _, ...bindings } = edge.bindings;
    const node = await edge.makeNode([1]);
    const put = async (script: NodeScript) =>
      edge.fetch(
        `${DIRECTORY_PATH}/${node.node}`,
        { method: 'PUT', body: JSON.stringify(await edge.registrationBody(script)) },
        bindings,
      );
    expect((await put({ ...node, registration: { aud: 'https://other.example' } })).status).toBe(403);
    expect((await put(node)).status).toBe(200);
  });

  it.each([
    'https://node-1.example',
    'https://node-1.example:8443',
    'http://127.0.0.1:9000',
    'http://localhost:9000',
    'http://[::1]:9000',
  ])('may live at %s', async (address) => {
    const edge = await startEdge();
    expect((await edge.put(await edge.makeNode([1], { address }))).status).toBe(200);
  });
});

type Bend = (edge: EdgeFixture) => Promise<Partial<NodeScript>> | Partial<NodeScript>;

describe('a registration is refused, with the reason in the log only', () => {
  it.each<[string, string, Bend]>([
    [
      'a result by a key that is not configured',
      'result_signature',
      async () => ({ attester: await makeKeyPair() }),
    ],
    ['a result of another type', 'result_claims', () => ({ resultTyp: 'jwt' })],
    [
      'a result that has expired',
      'result_expired',
      (e) => ({ result: { iat: now(e) - 900, exp: now(e) - 10 } }),
    ],
    ['a result without an expiry', 'result_claims', () => ({ result: { exp: undefined } })],
    ['a result for longer than 15 minutes', 'result_claims', (e) => ({ result: { exp: now(e) + 901 } })],
    ['a result without an issuer', 'result_claims', () => ({ result: { iss: undefined } })],
    ['a result with an empty issuer', 'result_claims', () => ({ result: { iss: '' } })],
    ['a result without a key', 'result_claims', () => ({ result: { cnf: undefined } })],
    [
      'a warning in one submodule',
      'result_not_affirming',
      () => ({
        result: { submods: { cpu: { ear_status: 'affirming' }, gpu: { ear_status: 'warning' } } },
      }),
    ],
    [
      'a contraindication',
      'result_not_affirming',
      () => ({ result: { submods: { cpu: { ear_status: 'contraindicated' } } } }),
    ],
    ['no submodule at all', 'result_not_affirming', () => ({ result: { submods: {} } })],
    [
      'a registration by another key than the attested one',
      'registration_signature',
      async () => ({
        result: { cnf: { jwk: (await makeKeyPair()).jwk } },
      }),
    ],
    ['a registration of another type', 'registration_claims', () => ({ registrationTyp: 'eat+jwt' })],
    [
      'a registration for another edge',
      'registration_audience',
      () => ({ registration: { aud: 'https://other.example' } }),
    ],
    [
      'a registration for several edges',
      'registration_claims',
      () => ({ registration: { aud: ['https://edge.example', 'https://b.example'] } }),
    ],
    [
      'a registration that has expired',
      'registration_expired',
      (e) => ({ registration: { iat: now(e) - 200, exp: now(e) - 10 } }),
    ],
    [
      'a registration that is too old',
      'registration_expired',
      (e) => ({ registration: { iat: now(e) - 310, exp: now(e) + 10 } }),
    ],
    [
      'a registration from the future',
      'registration_claims',
      (e) => ({ registration: { iat: now(e) + 60, exp: now(e) + 100 } }),
    ],
    [
      'a registration for more than five minutes',
      'registration_lifetime',
      (e) => ({ registration: { exp: now(e) + 302 } }),
    ],
    ['a registration without a time', 'registration_claims', () => ({ registration: { iat: undefined } })],
    ['a registration of another node', 'subject_mismatch', () => ({ registration: { sub: random(16) } })],
    ['a result of another node', 'subject_mismatch', () => ({ result: { sub: random(16) } })],
    ['another core', 'core_mismatch', () => ({ registration: { core: random(32) } })],
    ['another bundle', 'bundle_mismatch', () => ({ body: { bundle: random(40) } })],
    ['a bundle that is not base64url', 'bundle_mismatch', () => ({ body: { bundle: 'not=base64' } })],
    ['a bundle above its limit', 'bundle_mismatch', () => ({ bundle: new Uint8Array(1024 * 1024 + 1) })],
    [
      'keys that the result does not name',
      'keys_mismatch',
      () => ({ result: { cloister_keys: random(32) } }),
    ],
    [
      'a key list that is cut',
      'keys_malformed',
      async (e) => ({ keyList: (await e.makeNode([1])).keyList.slice(0, -1) }),
    ],
    ['an empty key list', 'keys_malformed', () => ({ keyList: new Uint8Array() })],
    [
      'a key list with octets after it',
      'keys_malformed',
      async (e) => ({
        keyList: concat((await e.makeNode([1])).keyList, new Uint8Array([0])),
      }),
    ],
    ['a pool with a space in it', 'registration_claims', () => ({ pool: 'a b' })],
    ['models that are no list', 'registration_claims', () => ({ registration: { models: 'm' } })],
    [
      'an http address that is not loopback',
      'address_not_allowed',
      () => ({ address: 'http://10.0.0.1:80' }),
    ],
    ['an address with a user', 'address_not_allowed', () => ({ address: 'https://a:b@node.example' })],
    ['an address with a path', 'address_not_allowed', () => ({ address: 'https://node.example/a' })],
    ['an address with a slash', 'address_not_allowed', () => ({ address: 'https://node.example/' })],
    ['an address with a query', 'address_not_allowed', () => ({ address: 'https://node.example?a' })],
    ['a loopback look-alike', 'address_not_allowed', () => ({ address: 'http://127.0.0.1.example' })],
    ['another scheme', 'address_not_allowed', () => ({ address: 'ftp://127.0.0.1' })],
    ['no result', 'body_malformed', () => ({ body: { result: undefined } })],
    ['a result that is no JWS', 'result_malformed', () => ({ body: { result: 'abc' } })],
    ['a registration that is no JWS', 'registration_claims', () => ({ body: { registration: 'abc' } })],
  ])('%s: %s', async (_, reason, bend) => {
    const edge = await startEdge();
    const node = await edge.makeNode([1]);
    const response = await edge.put({ ...node, ...(await bend(edge)) }, 'PUT', node.node);
    expect(response.status).toBe(403);
    expect(await codeOf(response)).toBe('registration_refused');
    expect(edge.refusalReason).toBe(reason);
    const listing = await (await edge.fetch(DIRECTORY_PATH)).json();
    expect(listing).toEqual({ nodes: [] });
  });

  it('a body that is no JSON', async () => {
    const edge = await startEdge();
    const response = await edge.fetch(`${DIRECTORY_PATH}/x`, { method: 'PUT', body: '{' });
    expect(response.status).toBe(403);
    expect(edge.refusalReason).toBe('body_malformed');
  });

  it('an unsigned result', async () => {
    const edge = await startEdge();
    const node = await edge.makeNode([1]);
    const body = await edge.registrationBody(node);
    const none = toBase64url(new TextEncoder().encode('{"alg":"none","typ":"eat+jwt"}'));
    const result = `${none}.${body.result.split('.')[1]}.`;
    const response = await edge.send(node.node, { ...body, result });
    expect(response.status).toBe(403);
    expect(edge.refusalReason).toBe('result_signature');
  });

  it('the same registration twice, and an older one after a newer', async () => {
    const edge = await startEdge();
    const node = await edge.makeNode([1]);
    const older = await edge.registrationBody(node);
    edge.pass(1);
    const newer = await edge.registrationBody(node);
    expect((await edge.send(node.node, newer)).status).toBe(200);
    expect((await edge.send(node.node, newer)).status).toBe(403);
    expect(edge.refusalReason).toBe('replayed');
    expect((await edge.send(node.node, older)).status).toBe(403);
  });

  it('a registration that was drained away, sent again', async () => {
    const edge = await startEdge();
    const node = await edge.makeNode([1]);
    const body = await edge.registrationBody(node);
    expect((await edge.send(node.node, body)).status).toBe(200);
    expect((await edge.send(node.node, body, 'DELETE')).status).toBe(204);
    expect((await edge.send(node.node, body)).status).toBe(403);
    expect(edge.refusalReason).toBe('replayed');
  });
});

describe('draining', () => {
  it('takes the node out of the directory', async () => {
    const edge = await startEdge();
    const node = await edge.makeNode([1]);
    await edge.register(node);
    expect((await edge.put(node, 'DELETE')).status).toBe(204);
    expect(await (await edge.fetch(DIRECTORY_PATH)).json()).toEqual({ nodes: [] });
  });

  it('needs the signature of the node itself', async () => {
    const edge = await startEdge();
    const node = await edge.makeNode([1]);
    await edge.register(node);
    const other = await edge.makeNode([2]);
    expect((await edge.put(other, 'DELETE', node.node)).status).toBe(403);
    expect((await edge.put({ ...node, registration: { iat: now(edge) - 60 } }, 'DELETE')).status).toBe(403);
    const listing = await (await edge.fetch(DIRECTORY_PATH)).json<{ nodes: unknown[] }>();
    expect(listing.nodes).toHaveLength(1);
  });
});

it('an object that starts again keeps its schema and its nodes, and forgets what has expired', async () => {
  const edge = await startEdge();
  await edge.register(await edge.makeNode([1]));
  edge.pass(1000);
  await edge.register(await edge.makeNode([2]));
  await runInDurableObject(env.POOL.getByName('pool'), (_, state) => {
    const count = (table: string) => state.storage.sql.exec(`SELECT count(*) AS n FROM ${table}`).one().n;
    expect(count('schema_version')).toBe(1);
    expect(count('node')).toBe(1);
    expect(count('last_registration')).toBe(1);
  });
});
