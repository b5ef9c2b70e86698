// Statements that are too old, or answer somebody else: refused, each with its code.

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { fromBase64url, toBase64, toBase64url } from '../../../shared/bytes/base64url.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { sha256 } from '../../../shared/bytes/digest.ts';
import { inclusionProof, leafHash, merkleRoot } from '../../../shared/bytes/merkle-tree.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { encodeBundle } from '../../../shared/evidence/bundle.ts';
import type { FreshnessProof } from '../../../shared/evidence/freshness-proof.ts';
import type { Freshness } from '../../../shared/evidence/node-statement.ts';
import type { Manifest } from '../../../shared/manifest/manifest.ts';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import type { FreshnessDemand } from '../../../shared/verifier/verify-freshness.ts';
import { now, random, simulatedNode } from '../../backend/tee/simulated-node.ts';

interface Case {
  readonly freshness: Freshness;
  readonly proof?: FreshnessProof | undefined;
  readonly demand?: FreshnessDemand;
  readonly witnesses?: Manifest['witnesses'];
  readonly at?: Date;
}

async function codes({ freshness, proof, demand, witnesses, at = now }: Case): Promise<readonly string[]> {
  const { parts, policy } = await simulatedNode({
    statement: { freshness },
    ...(witnesses && { manifest: { witnesses } }),
  });
  const bundle = encodeBundle(proof ? { ...parts, node: { ...parts.node, freshness: proof } } : parts);
  const verification = await verifyBundle(bundle, policy, { now: at, ...(demand && { freshness: demand }) });
  return verification.ok ? [] : verification.failure.violations.map(({ code }) => code);
}

describe('a nonce', () => {
  const nonces = Array.from({ length: 5 }, () => random(32));
  const mine = nonces[2] as Bytes;
  const demand = { kind: 'nonce', nonce: mine } as const;
  async function batch(of: readonly Bytes[] = nonces) {
    const leaves = await Promise.all(of.map(leafHash));
    const freshness: Freshness = { kind: 'nonces', value: await merkleRoot(leaves) };
    const proof = async (index: number): Promise<FreshnessProof> => ({
      kind: 'nonces',
      ...(await inclusionProof(leaves, index)),
    });
    return { freshness, proof, leaves };
  }

  it('of ours in the batch is an answer to us', async () => {
    const { freshness, proof } = await batch();
    expect(await codes({ freshness, proof: await proof(2), demand })).toEqual([]);
    const alone = await batch([mine]);
    expect(await codes({ freshness: alone.freshness, proof: await alone.proof(0), demand })).toEqual([]);
  });
  it('evidence_freshness_nonce: an answer to somebody else, replayed', async () => {
    const { freshness, proof } = await batch(nonces.filter((nonce) => nonce !== mine));
    for (let index = 0; index < 4; index++)
      expect(await codes({ freshness, proof: await proof(index), demand })).toEqual([
        'evidence_freshness_nonce',
      ]);
  });
  it('evidence_freshness_nonce: another path, a cut one, a cut tree', async () => {
    const { freshness, proof, leaves } = await batch();
    const good = (await proof(2)) as FreshnessProof & { kind: 'nonces' };
    const smaller = await inclusionProof(leaves.slice(0, 3), 2);
    for (const bad of [
      await proof(3),
      { ...good, path: good.path.slice(1) },
      { ...good, path: [...good.path, good.path[0] as Bytes] },
      { ...good, index: 0 },
      { ...good, size: 3 },
      { kind: 'nonces' as const, ...smaller },
      { kind: 'nonces' as const, index: 0, size: 1, path: [] },
    ])
      expect(await codes({ freshness, proof: bad, demand })).toEqual(['evidence_freshness_nonce']);
  });
  it('evidence_freshness_nonce: the root itself as a nonce', async () => {
    const { freshness } = await batch();
    const proof: FreshnessProof = { kind: 'nonces', index: 0, size: 1, path: [] };
    const rooted = { kind: 'nonce', nonce: freshness.value } as const;
    expect(await codes({ freshness, proof, demand: rooted })).toEqual(['evidence_freshness_nonce']);
  });
  it('evidence_freshness_kind: a statement of an epoch, with or without a proof, where a nonce was sent', async () => {
    const { freshness, proof } = await batch();
    const epoch: Freshness = { kind: 'epoch', value: freshness.value };
    expect(await codes({ freshness: epoch, demand })).toEqual(['evidence_freshness_kind']);
    expect(await codes({ freshness: epoch, proof: await proof(2), demand })).toEqual([
      'evidence_freshness_kind',
    ]);
    expect(await codes({ freshness: epoch, proof: await proof(2) })).toEqual(['evidence_freshness_kind']);
    expect(await codes({ freshness, demand })).toEqual(['evidence_freshness_kind']);
  });
  it('evidence_statement_not_valid_now: ours, an hour later', async () => {
    const { freshness, proof } = await batch();
    const at = new Date(now.getTime() + 3_601_000);
    expect(await codes({ freshness, proof: await proof(2), demand, at })).toEqual([
      'evidence_statement_not_valid_now',
    ]);
  });
  it('of somebody else makes a sibling that proves the core to everyone', async () => {
    const { freshness, proof } = await batch();
    expect(await codes({ freshness })).toEqual([]);
    expect(await codes({ freshness, proof: await proof(0) })).toEqual([]);
  });
  it('of another length is refused before anything else: a short one could be guessed', async () => {
    const { freshness, proof } = await batch();
    for (const length of [0, 16, 31, 33])
      await expect(
        codes({ freshness, proof: await proof(2), demand: { kind: 'nonce', nonce: new Uint8Array(length) } }),
      ).rejects.toThrow(RangeError);
  });
});

interface Witness {
  readonly name: string;
  readonly ed25519: string;
  readonly key: KeyObject;
}
function makeWitness(name: string): Witness {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { name, ed25519: publicKey.export({ format: 'jwk' }).x ?? '', key: privateKey };
}
const body = `log.example/cloister\n7\n${toBase64(new Uint8Array(32).fill(5))}\n`;
async function cosign({ name, ed25519, key }: Witness, secondsAgo: number, text = body): Promise<string> {
  const id = (await sha256(concat(toUtf8(`${name}\n`), Uint8Array.of(4), fromBase64url(ed25519)))).slice(
    0,
    4,
  );
  const time = BigInt(Math.floor(now.getTime() / 1000) - secondsAgo);
  const stamp = new Uint8Array(8);
  new DataView(stamp.buffer).setBigUint64(0, time);
  const signature = sign(null, toUtf8(`cosignature/v1\ntime ${time}\n${text}`), key);
  return `— ${name} ${toBase64(concat(id, stamp, signature))}\n`;
}

describe('a checkpoint', () => {
  const three = ['w1.example/a', 'w2.example/b', 'w3.example/c'].map(makeWitness);
  const [one, two, last] = three as [Witness, Witness, Witness];
  const witnesses = { keys: three.map(({ name, ed25519 }) => ({ name, ed25519 })), threshold: 2 };
  const demand = (maximumAgeSeconds: number) => ({ kind: 'checkpoint', maximumAgeSeconds }) as const;
  async function noted(...lines: readonly string[]): Promise<Case> {
    const note = toUtf8(`${body}\n${lines.join('')}`);
    return {
      freshness: { kind: 'checkpoint', value: await sha256(note) },
      proof: { kind: 'checkpoint', note },
      witnesses,
    };
  }

  it('that enough witnesses dated lately makes a statement young', async () => {
    const good = await noted(await cosign(one, 100), await cosign(two, 50));
    expect(await codes({ ...good, demand: demand(100) })).toEqual([]);
    expect(await codes(good)).toEqual([]);
  });
  it('evidence_freshness_stale: too long ago for two of them, however young the third', async () => {
    const old = await noted(await cosign(one, 100), await cosign(two, 101), await cosign(last, 0));
    expect(await codes({ ...old, demand: demand(100) })).toEqual([]);
    expect(await codes({ ...old, demand: demand(99) })).toEqual(['evidence_freshness_stale']);
    const day = await noted(await cosign(one, 86_401), await cosign(two, 86_401));
    expect(await codes(day)).toEqual(['evidence_freshness_stale']);
  });
  it('evidence_freshness_stale: dated ahead of our clock', async () => {
    const ahead = await noted(await cosign(one, -301), await cosign(two, -302));
    expect(await codes({ ...ahead, demand: demand(900) })).toEqual(['evidence_freshness_stale']);
  });
  it('evidence_freshness_checkpoint: too few witnesses, one twice, a stranger', async () => {
    const twice = await cosign(one, 10);
    const stranger = await cosign(makeWitness('w9.example/z'), 10);
    for (const lines of [[twice], [twice, twice], [twice, stranger], []])
      expect(await codes({ ...(await noted(...lines)), demand: demand(900) })).toEqual([
        'evidence_freshness_checkpoint',
      ]);
  });
  it('evidence_freshness_checkpoint: a forged cosignature beside good ones', async () => {
    const forged = (await cosign(last, 10, `${body}x`)) as string;
    const lines = [await cosign(one, 10), await cosign(two, 10), forged];
    expect(await codes({ ...(await noted(...lines)), demand: demand(900) })).toEqual([
      'evidence_freshness_checkpoint',
    ]);
    const posing = await cosign({ ...one, key: two.key }, 10);
    expect(await codes({ ...(await noted(posing, await cosign(two, 10))), demand: demand(900) })).toEqual([
      'evidence_freshness_checkpoint',
    ]);
  });
  it('evidence_freshness_checkpoint: cosigned again later, so that an old statement would look young', async () => {
    const old = await noted(await cosign(one, 5000), await cosign(two, 5000));
    const renewed = await noted(await cosign(one, 10), await cosign(two, 10));
    expect(await codes({ ...old, demand: demand(900) })).toEqual(['evidence_freshness_stale']);
    expect(await codes({ ...renewed, freshness: old.freshness, demand: demand(900) })).toEqual([
      'evidence_freshness_checkpoint',
    ]);
  });
  it('evidence_freshness_checkpoint: no witness is named, or what is hashed is no checkpoint', async () => {
    const good = await noted(await cosign(one, 10), await cosign(two, 10));
    const { witnesses: _, ...unnamed } = good;
    expect(await codes({ ...unnamed, demand: demand(900) })).toEqual(['evidence_freshness_checkpoint']);
    for (const text of ['nothing', `${body}${await cosign(one, 10)}`, '\n\n— a b\n', '\ufffd']) {
      const note = toUtf8(text);
      const freshness: Freshness = { kind: 'checkpoint', value: await sha256(note) };
      expect(await codes({ freshness, proof: { kind: 'checkpoint', note }, witnesses })).toEqual([
        'evidence_freshness_checkpoint',
      ]);
    }
    const note = Uint8Array.of(0xff, 0xfe);
    const freshness: Freshness = { kind: 'checkpoint', value: await sha256(note) };
    expect(await codes({ freshness, proof: { kind: 'checkpoint', note }, witnesses })).toEqual([
      'evidence_freshness_checkpoint',
    ]);
  });
  it('evidence_freshness_kind: the hash alone, or where a nonce was sent', async () => {
    const good = await noted(await cosign(one, 10), await cosign(two, 10));
    expect(await codes({ ...good, proof: undefined })).toEqual(['evidence_freshness_kind']);
    const nonce = { kind: 'nonce', nonce: random(32) } as const;
    expect(await codes({ ...good, demand: nonce })).toEqual(['evidence_freshness_kind']);
    const epoch: Freshness = { kind: 'epoch', value: random(32) };
    expect(await codes({ freshness: epoch, demand: demand(900) })).toEqual(['evidence_freshness_kind']);
    expect(toBase64url(good.freshness.value)).toHaveLength(43);
  });
});
