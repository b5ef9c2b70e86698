import { describe, expect, it } from 'vitest';
import { toBase64 } from '../../../shared/bytes/base64url.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { fromHex, toHex } from '../../../shared/bytes/hex.ts';
import {
  inclusionProof,
  innerHash,
  leafHash,
  merkleRoot,
  provesInclusion,
} from '../../../shared/bytes/merkle-tree.ts';
import { haveVectors, readVectorJson } from '../../harness/vectors.ts';

// The eight entries of the RFC 6962 reference implementation's own tests, and the roots over the first n of them.
const ENTRIES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const leavesOf = (count: number): Promise<Bytes[]> =>
  Promise.all(ENTRIES.slice(0, count).map((entry) => leafHash(fromHex(entry))));
const at = (leaves: readonly Bytes[], index: number): Bytes => leaves[index] as Bytes;

describe('an RFC 6962 tree', () => {
  it('has the roots of the reference implementation', async () => {
    for (const [count, root] of ROOTS.entries())
      expect(toHex(await merkleRoot(await leavesOf(count)))).toBe(root);
  });
  it('proves each leaf of every size, at its own place and at no other', async () => {
    const many = await Promise.all(Array.from({ length: 33 }, (_, i) => leafHash(Uint8Array.of(i))));
    for (let size = 1; size <= many.length; size++) {
      const leaves = many.slice(0, size);
      const root = await merkleRoot(leaves);
      for (let index = 0; index < size; index++) {
        const proof = await inclusionProof(leaves, index);
        expect(await provesInclusion(at(leaves, index), proof, root)).toBe(true);
        const elsewhere = { ...proof, index: (index + 1) % size };
        if (size > 1) expect(await provesInclusion(at(leaves, index), elsewhere, root)).toBe(false);
        const other = at(many, (index + 1) % many.length);
        expect(await provesInclusion(other, proof, root)).toBe(false);
      }
    }
  });
  it('refuses a path that is cut, longer, altered, or has an index beyond the tree', async () => {
    const leaves = await leavesOf(7);
    const root = await merkleRoot(leaves);
    for (let index = 0; index < leaves.length; index++) {
      const proof = await inclusionProof(leaves, index);
      const { path } = proof;
      const altered = path.map((hash, i) => (i === 0 ? hash.map((octet) => octet ^ 1) : hash));
      for (const bad of [
        { ...proof, path: path.slice(1) },
        { ...proof, path: path.slice(0, -1) },
        { ...proof, path: [...path, root] },
        { ...proof, path: [...path, at(path, 0)] },
        { ...proof, path: altered },
        { ...proof, index: 7 },
        { ...proof, index: -1 },
        { ...proof, index: 0.5 },
        { ...proof, size: 0 },
        { ...proof, size: 3 },
        { ...proof, size: 16 },
      ])
        expect(await provesInclusion(at(leaves, index), bad, root)).toBe(false);
    }
  });
  it('takes no inner node for a leaf, because the two are hashed apart', async () => {
    const leaves = await leavesOf(4);
    const root = await merkleRoot(leaves);
    const [left, right] = [await merkleRoot(leaves.slice(0, 2)), await merkleRoot(leaves.slice(2))];
    // An entry whose octets are two hashes, in a tree of half the height.
    const forged = await leafHash(Uint8Array.from([...at(leaves, 0), ...at(leaves, 1)]));
    expect(toHex(forged)).not.toBe(toHex(left));
    expect(await provesInclusion(forged, { index: 0, size: 2, path: [right] }, root)).toBe(false);
    expect(toHex(await innerHash(left, right))).toBe(toHex(root));
  });
  it('refuses a path beyond the top of the tree that is named, and an index beyond its leaves', async () => {
    const leaves = await leavesOf(2);
    const root = await merkleRoot(leaves);
    const [left, right] = [at(leaves, 0), at(leaves, 1)];
    expect(await provesInclusion(right, { index: 1, size: 2, path: [left] }, root)).toBe(true);
    // Both climb to the right root, from a place that is not in such a tree.
    expect(await provesInclusion(right, { index: 0, size: 1, path: [left] }, root)).toBe(false);
    expect(await provesInclusion(right, { index: 3, size: 2, path: [left] }, root)).toBe(false);
  });
  it('has another root when its last leaf is doubled (the trick of CVE-2012-2459)', async () => {
    for (const size of [1, 3, 5, 6, 7]) {
      const leaves = await leavesOf(size);
      const root = await merkleRoot(leaves);
      const doubled = [...leaves, at(leaves, size - 1)];
      expect(toHex(await merkleRoot(doubled))).not.toBe(toHex(root));
      const proof = await inclusionProof(doubled, size);
      expect(await provesInclusion(at(leaves, size - 1), proof, root)).toBe(false);
    }
  });
  it('proves nothing of no leaves', async () => {
    await expect(inclusionProof([], 0)).rejects.toThrow(RangeError);
    const empty = await merkleRoot([]);
    expect(await provesInclusion(empty, { index: 0, size: 0, path: [] }, empty)).toBe(false);
  });
});

interface TestLog {
  readonly checkpointsBySize: readonly string[];
  readonly leafHashesHex: readonly string[];
  readonly entriesHex: readonly string[];
}

describe.skipIf(!haveVectors)('the log of shared/vectors/tlog-tiles (skipped without the vectors)', () => {
  it('has these leaves, and these roots at every size', async () => {
    const log = readVectorJson<TestLog>('tlog-tiles/tessera-testdata-log.json');
    const leaves = await Promise.all(log.entriesHex.map((entry) => leafHash(fromHex(entry))));
    expect(leaves.map(toHex)).toEqual(log.leafHashesHex);
    for (const [size, checkpoint] of log.checkpointsBySize.entries()) {
      const root = await merkleRoot(leaves.slice(0, size));
      expect(checkpoint.split('\n').slice(1, 3)).toEqual([String(size), toBase64(root)]);
    }
  });
});
