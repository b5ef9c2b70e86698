// The public reads of the directory: who is there, with which keys and bundles. No key is asked for and no node is reached.

import { concat } from '../../shared/bytes/concat.ts';
import type { DirectoryListing } from '../../shared/wire/directory-listing.ts';
import { frameKeyConfig } from '../../shared/wire/key-list.ts';
import { LIMIT } from '../../shared/wire/limits.ts';
import { MEDIA_TYPE } from '../../shared/wire/media-types.ts';
import { Refusal } from '../gate/refusal.ts';
import { listedKeys } from '../relay/choose-node.ts';
import type { Route } from '../relay/route-table.ts';
import type { BundleCache } from './bundle-cache.ts';
import type { Pool } from './pool.ts';

/** Lists are cheap and change when nodes come and go. */
const LIST_MAX_AGE_SECONDS = 3;
const BUNDLE_MAX_AGE_SECONDS = 60;

// Without it the edge may compress JSON and hold it back.
const IDENTITY = { 'content-encoding': 'identity' };

/** `GET /directory/nodes[?pool=]`. */
export function listNodes(routes: readonly Route[], pool: string | undefined): Response {
  const listing: DirectoryListing = {
    nodes: routes
      .filter((route) => pool === undefined || route.pool === pool)
      .map((route) => ({
        node: route.node,
        pool: route.pool,
        models: route.models,
        keys: route.keys.map((key) => key.digest),
        bundle: route.bundleDigest,
        expires: route.expires,
      })),
  };
  return Response.json(listing, { headers: { ...IDENTITY, ...cacheFor(LIST_MAX_AGE_SECONDS) } });
}

/**
 * `GET /directory/nodes/{node}`: the exact octets that the node registered. The entity tag is their digest, so a client that
 * has verified them asks again for nothing, and this isolate asks the Durable Object once for each.
 * @throws Refusal `not_found`.
 */
export async function readBundle(
  route: Route | undefined,
  pool: DurableObjectStub<Pool>,
  cache: BundleCache,
  headers: Headers,
  now: Date,
): Promise<Response> {
  if (route === undefined) throw new Refusal('not_found');
  if (namesTag(headers.get('if-none-match'), route.bundleDigest))
    return new Response(null, {
      status: 304,
      headers: bundleHeaders(route.bundleDigest, route.expires, now),
    });
  const known = cache.get(route.bundleDigest);
  if (known !== undefined) return bundleResponse(known, route.bundleDigest, route.expires, now);
  const bundle = await pool.bundle(route.node, now.getTime() / 1000);
  if (bundle === undefined) throw new Refusal('not_found');
  cache.put(bundle.digest, bundle.octets);
  return bundleResponse(bundle.octets, bundle.digest, bundle.expires, now);
}

/**
 * `GET /.well-known/ohttp-gateway` (RFC 9540): one configuration per key id, for clients that know nothing but this address.
 * @throws Refusal `no_node_available`: an empty list is not a valid one.
 */
export function listKeys(routes: readonly Route[]): Response {
  const framed: Uint8Array[] = [];
  let octets = 0;
  for (const key of listedKeys(routes)) {
    if (octets + key.config.length + 2 > LIMIT.keyListBytes) break;
    framed.push(frameKeyConfig(key.config));
    octets += key.config.length + 2;
  }
  if (octets === 0) throw new Refusal('no_node_available');
  return new Response(concat(...framed), {
    headers: { 'content-type': MEDIA_TYPE.keys, ...IDENTITY, ...cacheFor(LIST_MAX_AGE_SECONDS) },
  });
}

/** `GET /v1/models` in OpenAI's list shape: what the nodes say they serve, each id once. A hint; the truth is sealed. */
export function listModels(routes: readonly Route[]): Response {
  const created = new Map<string, number>();
  for (const route of routes)
    for (const model of route.models) if (!created.has(model)) created.set(model, route.since);
  return Response.json(
    {
      object: 'list',
      data: [...created].map(([id, since]) => ({
        id,
        object: 'model',
        created: since,
        owned_by: 'cloister',
      })),
    },
    { headers: { ...IDENTITY, 'cache-control': 'private, no-store' } },
  );
}

function bundleResponse(octets: Uint8Array, digest: string, expires: number, now: Date): Response {
  return new Response(octets, {
    headers: { 'content-type': 'application/json', ...IDENTITY, ...bundleHeaders(digest, expires, now) },
  });
}

function bundleHeaders(digest: string, expires: number, now: Date): Record<string, string> {
  const left = Math.max(0, Math.floor(expires - now.getTime() / 1000));
  return { etag: `"${digest}"`, ...cacheFor(Math.min(BUNDLE_MAX_AGE_SECONDS, left)) };
}

function cacheFor(seconds: number): Record<string, string> {
  return { 'cache-control': `public, max-age=${seconds}` };
}

function namesTag(ifNoneMatch: string | null, digest: string): boolean {
  if (ifNoneMatch === null) return false;
  const tags = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(`"${digest}"`);
}
