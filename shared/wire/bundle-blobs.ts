// Large octet strings of a bundle by their digest: a fleet's nodes share endorsements and manifest, and each is fetched once and for ever.

import { fromBase64url, toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';
import { fromUtf8, toUtf8 } from '../bytes/utf8.ts';

/** Blobs that one bundle may refer to. */
export const MOST_BLOBS = 64;

// A colon is no character of base64url: no octet string looks like a reference.
const SCHEME = 'sha256:';
const REFERENCE = /^sha256:([A-Za-z0-9_-]{43})$/;
const REFERENCES = /"sha256:([A-Za-z0-9_-]{43})"/g;
/** Shorter strings cost less where they are than a request would. */
const LEAST_CHARACTERS = 1024;
/** What differs from node to node and from statement to statement gains nothing from an address of its own. */
const INLINE: ReadonlySet<string> = new Set(['statement', 'report', 'quote', 'answer', 'result']);

/** A bundle in two parts. */
export interface DetachedBundle {
  /** The bundle as JSON, with `sha256:<base64url digest>` where large octet strings were. */
  readonly document: Bytes;
  /** The octets of each reference, once. */
  readonly blobs: readonly Bytes[];
}

/** Takes the large octet strings out of an encoded bundle. `attachBlobs` gives exactly the same octets back. */
export async function detachBlobs(bundle: Uint8Array): Promise<DetachedBundle> {
  const blobs = new Map<string, Bytes>();
  const document = await rewrite(parseStrictJson(bundle), async (text, name) => {
    if (text.length < LEAST_CHARACTERS || INLINE.has(name) || blobs.size >= MOST_BLOBS) return text;
    const octets = fromBase64url(text);
    const digest = toBase64url(await sha256(octets));
    blobs.set(digest, octets);
    return SCHEME + digest;
  });
  return { document: toUtf8(JSON.stringify(document)), blobs: [...blobs.values()] };
}

/** The digests that a document refers to, each once. Of what is no JSON, nothing else is said. */
export function listReferences(document: Uint8Array): readonly string[] {
  let text: string;
  try {
    text = fromUtf8(document);
  } catch {
    return [];
  }
  return [...new Set([...text.matchAll(REFERENCES)].map(([, digest]) => digest ?? ''))];
}

/**
 * Puts octets back in place of the references. `find` gives the octets with this base64url SHA-256, which it has checked.
 * @throws StrictJsonError when the document is no JSON; what `find` throws.
 */
export async function attachBlobs(
  document: Uint8Array,
  find: (digest: string) => Bytes | Promise<Bytes>,
): Promise<Bytes> {
  const bundle = await rewrite(parseStrictJson(document), async (text) => {
    const digest = REFERENCE.exec(text)?.[1];
    return digest === undefined ? text : toBase64url(await find(digest));
  });
  return toUtf8(JSON.stringify(bundle));
}

async function rewrite(
  value: unknown,
  string: (text: string, name: string) => Promise<string>,
  name = '',
): Promise<unknown> {
  if (typeof value === 'string') return string(value, name);
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    for (const item of value) items.push(await rewrite(item, string, name));
    return items;
  }
  if (typeof value !== 'object' || value === null) return value;
  // Own members by definition, not by assignment: `__proto__` is a name like any other here, and is refused as unknown later.
  const members: [string, unknown][] = [];
  for (const [member, item] of Object.entries(value))
    members.push([member, await rewrite(item, string, member)]);
  return Object.fromEntries(members);
}
