// RFC 6962 Merkle trees: root, inclusion path, and the check of a path (sections 2.1 and 2.1.1; RFC 9162 section 2.1.3.2).

import { type Bytes, concat } from './concat.ts';
import { sha256 } from './digest.ts';
import { equalBytes } from './equal.ts';

// Leaves and inner nodes are hashed apart, so that neither can stand in for the other.
const LEAF = Uint8Array.of(0);
const INNER = Uint8Array.of(1);
const HASH_OCTETS = 32;

/** Where a leaf stands in a tree. */
export interface InclusionProof {
  /** From 0. */
  readonly index: number;
  /** Leaves in the tree, at least one. */
  readonly size: number;
  /** Sibling hashes, 32 octets each, from the leaf up. */
  readonly path: readonly Bytes[];
}

/** SHA-256( 0x00 ‖ entry ). */
export function leafHash(entry: Uint8Array): Promise<Bytes> {
  return sha256(concat(LEAF, entry));
}

/** SHA-256( 0x01 ‖ left ‖ right ). */
export function innerHash(left: Uint8Array, right: Uint8Array): Promise<Bytes> {
  return sha256(concat(INNER, left, right));
}

/** The root over leaf hashes; of no leaves, SHA-256 of nothing. An odd leaf is never hashed with itself. */
export async function merkleRoot(leaves: readonly Bytes[]): Promise<Bytes> {
  const [first] = leaves;
  if (first === undefined) return sha256(new Uint8Array());
  if (leaves.length === 1) return first;
  const split = splitOf(leaves.length);
  return innerHash(await merkleRoot(leaves.slice(0, split)), await merkleRoot(leaves.slice(split)));
}

/**
 * The path of leaf `index`.
 * @throws RangeError when there is no such leaf.
 */
export async function inclusionProof(leaves: readonly Bytes[], index: number): Promise<InclusionProof> {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length) throw new RangeError('no such leaf');
  return { index, size: leaves.length, path: await pathOf(leaves, index) };
}

async function pathOf(leaves: readonly Bytes[], index: number): Promise<Bytes[]> {
  if (leaves.length <= 1) return [];
  const split = splitOf(leaves.length);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split
    ? [...(await pathOf(left, index)), await merkleRoot(right)]
    : [...(await pathOf(right, index - split)), await merkleRoot(left)];
}

/**
 * The root that a leaf hash and its path give, or undefined when the path has not exactly the length that index and size demand
 * (RFC 9162 section 2.1.3.2).
 */
export async function rootOfPath(
  leaf: Bytes,
  { index, size, path }: InclusionProof,
): Promise<Bytes | undefined> {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size)
    return undefined;
  let node = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0 || sibling.length !== HASH_OCTETS) return undefined;
    if (node % 2 === 1 || node === last) {
      hash = await innerHash(sibling, hash);
      // A node without a sibling at its level goes up alone until it has one on its left.
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else hash = await innerHash(hash, sibling);
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? hash : undefined;
}

/** Whether a leaf hash stands where the proof says in the tree with this root. */
export async function provesInclusion(
  leaf: Bytes,
  proof: InclusionProof,
  root: Uint8Array,
): Promise<boolean> {
  const found = await rootOfPath(leaf, proof);
  return found !== undefined && equalBytes(found, root);
}

/** The largest power of two below `size`. */
function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}
