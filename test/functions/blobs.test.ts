// Parts of bundles at the edge: stored with a registration that refers to them, read by digest, immutable.

import { reset } from 'cloudflare:test';
import { afterEach, describe, expect, it } from 'vitest';
import { toBase64url } from '../../shared/bytes/base64url.ts';
import { sha256 } from '../../shared/bytes/digest.ts';
import { toUtf8 } from '../../shared/bytes/utf8.ts';
import { BLOB_PATH } from '../../shared/wire/routes.ts';
import { startEdge } from './edge-fixture.ts';

afterEach(reset);

const blobOf = async (fill: number, length = 2000) => {
  const octets = new Uint8Array(length).fill(fill);
  return { octets, text: toBase64url(octets), digest: toBase64url(await sha256(octets)) };
};
const referring = (...digests: string[]) =>
  toUtf8(JSON.stringify({ parts: digests.map((digest) => `sha256:${digest}`) }));

describe('a blob', () => {
  it('is served to everybody as what never changes', async () => {
    const edge = await startEdge();
    const [one, two] = [await blobOf(1), await blobOf(2)];
    const node = await edge.makeNode([1], {
      bundle: referring(one.digest, two.digest),
      body: { blobs: [one.text, two.text] },
    });
    await edge.register(node);
    for (const { digest, octets } of [one, two]) {
      const response = await edge.fetch(`${BLOB_PATH}/${digest}`);
      expect(new Uint8Array(await response.arrayBuffer())).toEqual(octets);
      expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      expect(response.headers.get('content-encoding')).toBe('identity');
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
      const etag = response.headers.get('etag') ?? '';
      const again = await edge.fetch(`${BLOB_PATH}/${digest}`, { headers: { 'if-none-match': etag } });
      expect(again.status).toBe(304);
    }
    expect((await edge.fetch(`${BLOB_PATH}/${'A'.repeat(43)}`)).status).toBe(404);
    expect((await edge.fetch(`${BLOB_PATH}/x`)).status).toBe(404);
  });

  it('goes some time after the last node that refers to it', async () => {
    const edge = await startEdge();
    const shared = await blobOf(3);
    const make = (id: number) =>
      edge.makeNode([id], { bundle: referring(shared.digest), body: { blobs: [shared.text] } });
    await edge.register(await make(1));
    edge.pass(100);
    await edge.register(await make(2));
    edge.pass(121 + 500);
    expect((await edge.fetch(`${BLOB_PATH}/${shared.digest}`)).status).toBe(200);
    const other = await startEdge();
    other.pass(100 + 121 + 601);
    await other.register(await other.makeNode([9]));
    expect((await other.fetch(`${BLOB_PATH}/${shared.digest}`)).status).toBe(404);
  });
});

describe('a registration is refused with bundle_mismatch', () => {
  it.each([
    ['without what its bundle refers to', (a: { text: string }, _b: { text: string }) => [a.text]],
    [
      'with octets that its bundle does not refer to',
      (a: { text: string }, b: { text: string }) => [a.text, b.text, 'AAAA'],
    ],
    ['with the same twice', (a: { text: string }, b: { text: string }) => [a.text, b.text, a.text]],
    [
      'with other octets',
      (a: { text: string }, b: { text: string }) => [a.text, `${b.text.slice(0, -4)}AAAA`],
    ],
    ['with a second spelling', (a: { text: string }, b: { text: string }) => [a.text, `${b.text}=`]],
  ])('%s', async (_, blobs) => {
    const edge = await startEdge();
    const [one, two] = [await blobOf(1), await blobOf(2)];
    const bundle = referring(one.digest, two.digest);
    const node = await edge.makeNode([1], { bundle, body: { blobs: blobs(one, two) } });
    expect((await edge.put(node)).status).toBe(403);
    expect(edge.refusalReason).toBe('bundle_mismatch');
    expect((await edge.fetch(`${BLOB_PATH}/${one.digest}`)).status).toBe(404);
  });
});
