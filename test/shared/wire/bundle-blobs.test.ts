import { describe, expect, it } from 'vitest';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { sha256 } from '../../../shared/bytes/digest.ts';
import { fromUtf8, toUtf8 } from '../../../shared/bytes/utf8.ts';
import { BlobStore } from '../../../shared/client/blob-store.ts';
import { fetchBundle } from '../../../shared/client/fetch-directory.ts';
import { attachBlobs, detachBlobs, listReferences, MOST_BLOBS } from '../../../shared/wire/bundle-blobs.ts';
import { BLOB_PATH } from '../../../shared/wire/routes.ts';
import { random, simulatedNode } from '../../backend/tee/simulated-node.ts';

async function parted() {
  const { bundle } = await simulatedNode();
  const { document, blobs } = await detachBlobs(bundle);
  const named = new Map<string, Bytes>();
  for (const blob of blobs) named.set(toBase64url(await sha256(blob)), blob);
  return { bundle, document, named };
}

describe('a bundle in parts', () => {
  it('is the same bundle again, octet by octet', async () => {
    const { bundle, document, named } = await parted();
    expect(listReferences(document)).toEqual([...named.keys()]);
    expect(await attachBlobs(document, (digest) => named.get(digest) as Bytes)).toEqual(bundle);
  });
  it('keeps what nodes share apart, and what is a node’s own in place', async () => {
    const { bundle, document, named } = await parted();
    const { manifest, node } = JSON.parse(fromUtf8(document));
    const [{ report, ask, ark, vcek }] = node.evidence;
    for (const shared of [manifest, ask, ark, vcek]) expect(shared).toMatch(/^sha256:[A-Za-z0-9_-]{43}$/);
    for (const own of [node.statement, report]) expect(own).not.toContain(':');
    expect(document.length).toBeLessThan(bundle.length / 2);
    const other = await parted();
    expect([...other.named.keys()].sort()).toEqual([...named.keys()].sort());
  });
  it('says nothing of what is no JSON, and has no way into a prototype', async () => {
    expect(listReferences(random(500))).toEqual([]);
    const planted = toUtf8('{"__proto__":{"polluted":"x"},"version":1}');
    expect(await attachBlobs(planted, () => new Uint8Array())).toEqual(planted);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('a client', () => {
  async function directory(answer: (digest: string) => Uint8Array<ArrayBuffer> | undefined, document: Bytes) {
    const asked: string[] = [];
    const fetchEdge: typeof fetch = async (input) => {
      const { pathname } = new URL(new Request(input).url);
      asked.push(pathname);
      if (!pathname.startsWith(BLOB_PATH)) return new Response(document);
      const octets = answer(pathname.slice(BLOB_PATH.length + 1));
      return octets === undefined ? new Response(null, { status: 404 }) : new Response(octets);
    };
    return { asked, at: { origin: 'https://edge.example', fetchEdge, blobs: new BlobStore() } };
  }

  it('puts the parts together, and fetches what nodes share once', async () => {
    const { bundle, document, named } = await parted();
    const { asked, at } = await directory((digest) => named.get(digest), document);
    for (let i = 0; i < 3; i++) expect(await fetchBundle(at, 'n')).toEqual(bundle);
    expect(asked.filter((path) => path.startsWith(BLOB_PATH))).toHaveLength(named.size);
  });
  it.each([
    ['other octets than it was asked for', () => random(100)],
    ['nothing', () => undefined],
    ['more than a bundle holds', () => new Uint8Array(1024 * 1024 + 1)],
  ])('refuses a directory that answers %s', async (_, answer) => {
    const { document } = await parted();
    const { at } = await directory(answer, document);
    await expect(fetchBundle(at, 'n')).rejects.toMatchObject({ code: 'directory_malformed' });
  });
  it('refuses a directory that refers to more than a bundle holds, by number and by size', async () => {
    const blobs = await Promise.all(
      Array.from({ length: MOST_BLOBS + 1 }, async () => {
        const octets = random(32);
        return [toBase64url(await sha256(octets)), octets] as const;
      }),
    );
    const named = new Map(blobs);
    const list = (digests: Iterable<string>) =>
      toUtf8(JSON.stringify([...digests].map((digest) => `sha256:${digest}`)));
    const many = await directory((digest) => named.get(digest), list(named.keys()));
    await expect(fetchBundle(many.at, 'n')).rejects.toMatchObject({ code: 'directory_malformed' });
    const large = new Map<string, Bytes>();
    for (const fill of [1, 2, 3]) {
      const octets = new Uint8Array(400_000).fill(fill);
      large.set(toBase64url(await sha256(octets)), octets);
    }
    const heavy = await directory((digest) => large.get(digest), list(large.keys()));
    await expect(fetchBundle(heavy.at, 'n')).rejects.toMatchObject({ code: 'directory_malformed' });
  });
});
