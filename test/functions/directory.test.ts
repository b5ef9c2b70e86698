// The public reads: nodes, bundles, key lists, models.

import { reset } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it } from 'vitest';
import { BundleCache } from '../../functions/directory/bundle-cache.ts';
import { toBase64url } from '../../shared/bytes/base64url.ts';
import { sha256 } from '../../shared/bytes/digest.ts';
import type { DirectoryListing } from '../../shared/wire/directory-listing.ts';
import { splitKeyList } from '../../shared/wire/key-list.ts';
import { DIRECTORY_PATH, GATEWAY_PATH, MODELS_PATH } from '../../shared/wire/routes.ts';
import { API_KEY, codeOf, keyDigest, startEdge } from './edge-fixture.ts';

afterEach(reset);

describe('the listing', () => {
  it('shows two nodes with their keys, models, bundle digest and expiry', async () => {
    const edge = await startEdge();
    const a = await edge.makeNode([1, 2]);
    const b = await edge.makeNode([3], { pool: 'large', models: ['m2', 'm3'] });
    const { expires } = await edge.register(a);
    await edge.register(b);
    const response = await edge.fetch(DIRECTORY_PATH);
    expect(response.headers.get('content-encoding')).toBe('identity');
    expect(response.headers.get('cache-control')).toBe('public, max-age=3');
    const listing = await response.json<DirectoryListing>();
    expect(new Set(listing.nodes.map((node) => node.node))).toEqual(new Set([a.node, b.node]));
    expect(listing.nodes.find((node) => node.node === a.node)).toEqual({
      node: a.node,
      pool: 'small',
      models: ['smollm2'],
      keys: [await keyDigest(a.keyList, 0), await keyDigest(a.keyList, 1)],
      bundle: toBase64url(await sha256(a.bundle)),
      expires,
    });
  });

  it('can be asked for one pool', async () => {
    const edge = await startEdge();
    await edge.register(await edge.makeNode([1]));
    const large = await edge.makeNode([3], { pool: 'large' });
    await edge.register(large);
    const listing = await (await edge.fetch(`${DIRECTORY_PATH}?pool=large`)).json<DirectoryListing>();
    expect(listing.nodes.map((node) => node.node)).toEqual([large.node]);
  });

  it('names neither addresses nor ticket keys', async () => {
    const edge = await startEdge();
    const node = await edge.makeNode([1], { address: 'https://secret-address.example' });
    const { ticket_key } = await edge.register(node);
    const text = await (await edge.fetch(DIRECTORY_PATH)).text();
    expect(text).not.toContain('secret-address');
    expect(text).not.toContain(ticket_key);
  });

  it('drops a node whose registration ran out, without being told', async () => {
    const edge = await startEdge();
    await edge.register(await edge.makeNode([1]));
    edge.pass(121);
    expect(await (await edge.fetch(DIRECTORY_PATH)).json()).toEqual({ nodes: [] });
  });
});

describe('a bundle', () => {
  it('is the exact octets that the node registered, tagged by their digest', async () => {
    const edge = await startEdge();
    const node = await edge.makeNode([1], { bundle: crypto.getRandomValues(new Uint8Array(60_000)) });
    await edge.register(node);
    const response = await edge.fetch(`${DIRECTORY_PATH}/${node.node}`);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('content-encoding')).toBe('identity');
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('etag')).toBe(`"${toBase64url(await sha256(node.bundle))}"`);
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(node.bundle);
  });

  it('as large as it may be is stored and given back', async () => {
    const edge = await startEdge();
    const bundle = new Uint8Array(1024 * 1024).fill(7);
    const node = await edge.makeNode([1], { bundle });
    await edge.register(node);
    const response = await edge.fetch(`${DIRECTORY_PATH}/${node.node}`);
    expect((await response.arrayBuffer()).byteLength).toBe(bundle.length);
  });

  it.each([
    ['the tag', (tag: string) => tag, 304],
    ['the weak tag', (tag: string) => `W/${tag}`, 304],
    ['several tags', (tag: string) => `"other", ${tag}`, 304],
    ['any tag', () => '*', 304],
    ['another tag', () => '"other"', 200],
  ])('asked again with %s: %s', async (_, ifNoneMatch, status) => {
    const edge = await startEdge();
    const node = await edge.makeNode([1]);
    await edge.register(node);
    const path = `${DIRECTORY_PATH}/${node.node}`;
    const tag = (await edge.fetch(path)).headers.get('etag') ?? '';
    const again = await edge.fetch(path, { headers: { 'if-none-match': ifNoneMatch(tag) } });
    expect(again.status).toBe(status);
    expect(again.headers.get('etag')).toBe(tag);
    expect(await again.text()).toHaveLength(status === 304 ? 0 : node.bundle.length);
  });

  it('may be cached for a minute, and never past its expiry', async () => {
    const edge = await startEdge();
    const node = await edge.makeNode([1]);
    await edge.register(node);
    const age = async () => (await edge.fetch(`${DIRECTORY_PATH}/${node.node}`)).headers.get('cache-control');
    expect(await age()).toBe('public, max-age=60');
    edge.pass(100);
    expect(await age()).toBe('public, max-age=19');
  });

  it('is read from the Durable Object once, and again when it has changed', async () => {
    const edge = await startEdge();
    const node = await edge.makeNode([1]);
    await edge.register(node);
    const pool = env.POOL.getByName('pool');
    let reads = 0;
    const counting = {
      list: (now: number) => pool.list(now),
      bundle: (id: string, now: number) => {
        reads++;
        return pool.bundle(id, now);
      },
    };
    const bindings = { ...edge.bindings, POOL: { getByName: () => counting } as unknown as typeof env.POOL };
    const read = async () =>
      new Uint8Array(await (await edge.fetch(`${DIRECTORY_PATH}/${node.node}`, {}, bindings)).arrayBuffer());
    expect(await read()).toEqual(node.bundle);
    edge.pass(5);
    expect(await read()).toEqual(node.bundle);
    expect(reads).toBe(1);
    const renewed = { ...node, bundle: new TextEncoder().encode('{"renewed":true}') as typeof node.bundle };
    await edge.register(renewed);
    expect(await read()).toEqual(renewed.bundle);
    expect(reads).toBe(2);
  });

  it('of an unknown node is not found', async () => {
    const edge = await startEdge();
    const response = await edge.fetch(`${DIRECTORY_PATH}/${'A'.repeat(22)}`);
    expect(response.status).toBe(404);
    expect(await codeOf(response)).toBe('not_found');
  });
});

describe('the key list of RFC 9540', () => {
  it('joins the lists of all nodes, of each key id the first', async () => {
    const edge = await startEdge();
    const a = await edge.makeNode([1, 2]);
    await edge.register(a);
    edge.pass(2);
    const b = await edge.makeNode([2, 3]);
    await edge.register(b);
    const response = await edge.fetch(GATEWAY_PATH);
    expect(response.headers.get('content-type')).toBe('application/ohttp-keys');
    expect(response.headers.get('cache-control')).toBe('public, max-age=3');
    const keys = splitKeyList(new Uint8Array(await response.arrayBuffer()));
    expect(keys.map((key) => key.keyId)).toEqual([1, 2, 3]);
    const aSecond = splitKeyList(a.keyList)[1];
    expect(keys[1]?.config).toEqual(aSecond?.config);
  });

  it('is an error, never an empty list, when there is no node', async () => {
    const edge = await startEdge();
    const response = await edge.fetch(GATEWAY_PATH);
    expect(response.status).toBe(503);
    expect(await codeOf(response)).toBe('no_node_available');
  });
});

it('models come in the shape of OpenAI, each once', async () => {
  const edge = await startEdge();
  await edge.register(await edge.makeNode([1], { models: ['m1', 'm2'] }));
  await edge.register(await edge.makeNode([2], { models: ['m2', 'm3'] }));
  const response = await edge.fetch(MODELS_PATH, { headers: { authorization: `Bearer ${API_KEY}` } });
  const list = await response.json<{
    object: string;
    data: { id: string; object: string; created: number }[];
  }>();
  expect(list.object).toBe('list');
  expect(list.data.map((model) => model.id).sort()).toEqual(['m1', 'm2', 'm3']);
  expect(list.data[0]?.object).toBe('model');
  expect(list.data[0]?.created).toBe(Math.floor(edge.now.getTime() / 1000));
});

describe('the memory for bundles', () => {
  it('is bounded, and drops what was used longest ago', () => {
    const cache = new BundleCache();
    const octets = new Uint8Array(4 * 1024 * 1024);
    for (const digest of ['a', 'b', 'c', 'd']) cache.put(digest, octets);
    cache.get('a');
    cache.put('e', octets);
    expect(['a', 'b', 'c', 'd', 'e'].map((digest) => cache.get(digest) !== undefined)).toEqual([
      true,
      false,
      true,
      true,
      true,
    ]);
  });

  it('does not take what could never fit', () => {
    const cache = new BundleCache();
    cache.put('small', new Uint8Array(1));
    cache.put('large', new Uint8Array(17 * 1024 * 1024));
    expect(cache.get('large')).toBeUndefined();
    expect(cache.get('small')).toBeDefined();
  });
});
