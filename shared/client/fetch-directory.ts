// Asks the edge's directory for nodes and their bundles. Everything it returns is unverified.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { attachBlobs, listReferences, MOST_BLOBS } from '../wire/bundle-blobs.ts';
import type { DirectoryListing, ListedNode } from '../wire/directory-listing.ts';
import { LIMIT } from '../wire/limits.ts';
import { BLOB_PATH, DIRECTORY_PATH, noncePath } from '../wire/routes.ts';
import type { BlobStore } from './blob-store.ts';
import { CloisterError } from './cloister-error.ts';

/** What of a listed node the client uses; a hint until its bundle is verified. */
export type NodeHint = Pick<ListedNode, 'node' | 'keys'>;

/** Node ids that the edge lists, in its order. */
export async function listNodes(
  origin: string,
  fetchEdge: typeof fetch,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  return (await listNodeHints(origin, fetchEdge, signal)).map(({ node }) => node);
}

/** Nodes that the edge lists, in its order. */
export async function listNodeHints(
  origin: string,
  fetchEdge: typeof fetch,
  signal?: AbortSignal,
): Promise<readonly NodeHint[]> {
  const octets = await get(`${origin}${DIRECTORY_PATH}`, fetchEdge, LIMIT.bundleBytes, signal);
  try {
    const { nodes } = JSON.parse(new TextDecoder().decode(octets)) as DirectoryListing;
    return nodes.map(({ node, keys }) => {
      if (!/^[A-Za-z0-9_-]{22}$/.test(node)) throw new TypeError('not a node id');
      if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string'))
        throw new TypeError('not key digests');
      return { node, keys };
    });
  } catch (cause) {
    throw new CloisterError(
      'directory_malformed',
      'The edge’s directory answered something else. Nothing was sent.',
      { cause },
    );
  }
}

/** Where bundles are fetched from, and how. */
export interface Directory {
  readonly origin: string;
  readonly fetchEdge: typeof fetch;
  /** Parts of bundles that were fetched before. */
  readonly blobs: BlobStore;
  readonly signal?: AbortSignal;
}

/** The attestation bundle of one node: exact octets, with everything in it that the directory keeps apart. */
export async function fetchBundle(directory: Directory, node: string): Promise<Bytes> {
  const { origin, fetchEdge, signal } = directory;
  const document = await get(`${origin}${DIRECTORY_PATH}/${node}`, fetchEdge, LIMIT.bundleBytes, signal);
  return assemble(document, directory);
}

/** A bundle of one node whose statement answers this nonce: the one request of the directory that reaches the node. */
export async function fetchFreshBundle(
  directory: Directory,
  node: string,
  nonce: Uint8Array,
): Promise<Bytes> {
  const { origin, fetchEdge, signal } = directory;
  const url = `${origin}${noncePath(node, toBase64url(nonce))}`;
  return assemble(await get(url, fetchEdge, LIMIT.bundleBytes, signal), directory);
}

// The edge keeps what many bundles share apart. Each piece is taken by its digest, so it can hand out a wrong one to nobody.
async function assemble(document: Bytes, directory: Directory): Promise<Bytes> {
  const references = listReferences(document);
  if (references.length === 0) return document;
  if (references.length > MOST_BLOBS)
    throw malformed('The edge’s directory refers to more than a bundle holds.');
  const found = new Map<string, Bytes>();
  let octets = document.length;
  await Promise.all(
    references.map(async (digest) => {
      const blob = await findBlob(digest, directory);
      octets += blob.length;
      if (octets > LIMIT.bundleBytes)
        throw malformed('The edge’s directory refers to more than a bundle holds.');
      found.set(digest, blob);
    }),
  );
  try {
    return await attachBlobs(document, (digest) => found.get(digest) ?? new Uint8Array());
  } catch (cause) {
    throw malformed('The edge’s directory answered something else.', cause);
  }
}

async function findBlob(digest: string, { origin, fetchEdge, blobs, signal }: Directory): Promise<Bytes> {
  const known = blobs.get(digest);
  if (known !== undefined) return known;
  const octets = await get(`${origin}${BLOB_PATH}/${digest}`, fetchEdge, LIMIT.bundleBytes, signal);
  if (await blobs.admit(digest, octets)) return octets;
  throw malformed('The edge’s directory answered other octets than those that it was asked for.');
}

function malformed(sentence: string, cause?: unknown): CloisterError {
  return new CloisterError('directory_malformed', `${sentence} Nothing was sent.`, { cause });
}

async function get(
  url: string,
  fetchEdge: typeof fetch,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<Bytes> {
  let response: Response;
  try {
    response = await fetchEdge(url, { redirect: 'error', ...(signal && { signal }) });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new CloisterError('edge_unreachable', 'The edge does not answer. Nothing was sent.', { cause });
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new CloisterError(
      'directory_malformed',
      `The edge’s directory answered with status ${response.status}. Nothing was sent.`,
    );
  }
  return readCapped(response, maxBytes);
}

async function readCapped(response: Response, maxBytes: number): Promise<Bytes> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) break;
    length += value.length;
    if (length > maxBytes) {
      await reader?.cancel();
      throw new CloisterError(
        'directory_malformed',
        'The edge’s directory answered more than a directory holds. Nothing was sent.',
      );
    }
    pieces.push(value);
  }
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}
