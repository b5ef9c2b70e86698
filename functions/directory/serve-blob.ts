// Parts of bundles by their digest: immutable, so every cache on the way may keep them for ever.

import { MEDIA_TYPE } from '../../shared/wire/media-types.ts';
import { Refusal } from '../gate/refusal.ts';
import type { BundleCache } from './bundle-cache.ts';
import type { Pool } from './pool.ts';

/** A year, which is as long as caches count. */
const FOREVER = 'public, max-age=31536000, immutable';

/**
 * `GET /directory/blobs/{digest}`: octets that a registered node's bundle refers to. Whoever asks checks the digest.
 * @throws Refusal `not_found`.
 */
export async function readBlob(
  digest: string,
  pool: DurableObjectStub<Pool>,
  cache: BundleCache,
  headers: Headers,
  now: Date,
): Promise<Response> {
  if (!/^[A-Za-z0-9_-]{43}$/.test(digest)) throw new Refusal('not_found');
  const etag = `"${digest}"`;
  const octets = cache.get(digest) ?? (await pool.blob(digest, now.getTime() / 1000));
  if (octets === undefined) throw new Refusal('not_found');
  cache.put(digest, octets);
  const head = { etag, 'cache-control': FOREVER };
  if (headers.get('if-none-match') === etag) return new Response(null, { status: 304, headers: head });
  return new Response(octets, {
    headers: { 'content-type': MEDIA_TYPE.octets, 'content-encoding': 'identity', ...head },
  });
}
