// Asks the edge's directory for nodes and their bundles. Everything it returns is unverified.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import type { DirectoryListing, ListedNode } from '../wire/directory-listing.ts';
import { LIMIT } from '../wire/limits.ts';
import { DIRECTORY_PATH, noncePath } from '../wire/routes.ts';
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

/** The attestation bundle of one node, exact octets. */
export async function fetchBundle(
  origin: string,
  node: string,
  fetchEdge: typeof fetch,
  signal?: AbortSignal,
): Promise<Bytes> {
  return get(`${origin}${DIRECTORY_PATH}/${node}`, fetchEdge, LIMIT.bundleBytes, signal);
}

/** A bundle of one node whose statement answers this nonce: the one request of the directory that reaches the node. */
export async function fetchFreshBundle(
  origin: string,
  node: string,
  nonce: Uint8Array,
  fetchEdge: typeof fetch,
  signal?: AbortSignal,
): Promise<Bytes> {
  return get(`${origin}${noncePath(node, toBase64url(nonce))}`, fetchEdge, LIMIT.bundleBytes, signal);
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
