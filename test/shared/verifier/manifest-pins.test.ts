import { describe, expect, it } from 'vitest';
import { toBase64, toBase64url } from '../../../shared/bytes/base64url.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { sha256 } from '../../../shared/bytes/digest.ts';
import { leafHash } from '../../../shared/bytes/merkle-tree.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { encodeLogProof, logEntryOf } from '../../../shared/manifest/log-proof.ts';
import { encodeManifest, type Manifest } from '../../../shared/manifest/manifest.ts';
import type { ManifestPin, Notice } from '../../../shared/verifier/manifest-pin.ts';
import { memoryNameOf } from '../../../shared/verifier/manifest-pin.ts';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { type Changes, now, simulatedNode } from '../../backend/tee/simulated-node.ts';
import { alice, bob, carol, dave, mallory, witness } from '../manifest/manifest-fixture.ts';
import { holders, nextOf, type Signer, signedBy } from '../manifest/signers.ts';

const OWNED = { service: 'chat.example', owners: holders(alice, bob, carol), threshold: 2 };
const first = (await simulatedNode({ manifest: OWNED })).manifest;
const second = await nextOf(first);
const third = await nextOf(second);

type OwnersPin = ManifestPin & { pin: 'owners' };
const pin: OwnersPin = {
  pin: 'owners',
  service: 'chat.example',
  owners: [alice.ed25519, bob.ed25519, carol.ed25519],
  threshold: 2,
  minimum_serial: 1,
  notice: 'none',
};

interface Case {
  readonly manifest?: Manifest;
  readonly signers?: readonly Signer[];
  readonly pin?: Partial<OwnersPin> | ManifestPin;
  readonly remembered?: Manifest;
  readonly bundle?: Changes['bundle'];
  readonly at?: Date;
}

/** Verifies a node under a manifest: signed by alice and bob, seen for the first time, pinned by its owners. */
async function verify({
  manifest = first,
  signers = [alice, bob],
  remembered,
  at = now,
  ...rest
}: Case = {}) {
  const { signatures } = await signedBy(manifest, ...signers);
  const wanted = { ...pin, ...rest.pin } as ManifestPin;
  const { bundle, policy } = await simulatedNode({
    manifest,
    policy: { manifest: rest.pin?.pin && rest.pin.pin !== 'owners' ? (rest.pin as ManifestPin) : wanted },
    bundle: { signatures, ...rest.bundle },
  });
  return verifyBundle(bundle, policy, {
    now: at,
    ...(remembered && { remembered: encodeManifest(remembered) }),
  });
}

async function codes(given: Case = {}): Promise<readonly string[]> {
  const verification = await verify(given);
  return verification.ok ? [] : verification.failure.violations.map(({ code }) => code);
}

describe('owners', () => {
  it('accepts what enough of the pinned owners signed, and names every step', async () => {
    const verification = await verify();
    expect(verification.ok && verification.key.manifestTrust).toBe('pinned');
    expect(verification.ok && verification.key.manifest).toEqual(encodeManifest(first));
    expect(
      verification.steps
        .filter(({ name }) => name.startsWith('manifest.'))
        .map(({ name, result, actual }) => [name, result, actual]),
    ).toEqual([
      ['manifest.signatures', 'pass', '2 signed'],
      ['manifest.form', 'pass', undefined],
      ['manifest.threshold', 'pass', '2 of 3'],
      ['manifest.pin', 'pass', '2'],
      ['manifest.service', 'pass', 'chat.example'],
      ['manifest.version', 'pass', 'version 1, none seen before'],
      ['manifest.notice', 'skipped', '0 hours'],
      ['manifest.expiry', 'pass', 'until 2027-01-01T00:00:00Z'],
    ]);
  });
  it('policy_manifest_owners: nobody, too few, or others signed', async () => {
    for (const signers of [[], [alice], [mallory, dave], [alice, mallory]])
      expect((await codes({ signers })).at(-1)).toBe('policy_manifest_owners');
    const { bundle, policy } = await simulatedNode({ manifest: OWNED, policy: { manifest: pin } });
    expect(await verifyBundle(bundle, policy, { now })).toMatchObject({
      failure: { code: 'policy_manifest_threshold' },
    });
  });
  it('policy_manifest_owners: somebody else’s manifest, signed by its own owners', async () => {
    const foreign = { ...first, owners: holders(mallory), threshold: 1 };
    expect(await codes({ manifest: foreign, signers: [mallory] })).toEqual(['policy_manifest_owners']);
  });
  it('policy_manifest_threshold: the pinned owners signed, its own did not', async () => {
    const manifest = { ...first, owners: holders(dave), threshold: 1 };
    expect(await codes({ manifest })).toEqual(['policy_manifest_threshold']);
  });
  it('policy_manifest_service: the same owners’ manifest of another service', async () => {
    expect(await codes({ manifest: { ...first, service: 'other.example' } })).toEqual([
      'policy_manifest_service',
    ]);
  });
  it('policy_manifest_minimum', async () => {
    expect(await codes({ pin: { minimum_serial: 2 } })).toEqual(['policy_manifest_minimum']);
    expect(await codes({ manifest: second, pin: { minimum_serial: 2 } })).toEqual([]);
  });
  it('policy_manifest_expired', async () => {
    const not_after = '2026-11-23T11:59:59Z';
    expect(await codes({ manifest: { ...first, not_after } })).toEqual(['policy_manifest_expired']);
  });
  it('evidence_manifest_signature: a signature for another manifest, or for another domain', async () => {
    const { signatures } = await signedBy(second, alice, bob);
    expect(await codes({ bundle: { signatures } })).toEqual(['evidence_manifest_signature']);
  });
  it('evidence_signatures_malformed', async () => {
    expect(await codes({ bundle: { signatures: toUtf8('{"version":1}') } })).toEqual([
      'evidence_signatures_malformed',
    ]);
  });
  it('a digest needs no signature, and any that is there still has to hold', async () => {
    const digest = toBase64url(await sha256(encodeManifest(first)));
    expect(await codes({ signers: [], pin: { pin: 'digest', digest } })).toEqual([]);
    const { signatures } = await signedBy(second, alice);
    expect(await codes({ pin: { pin: 'digest', digest }, bundle: { signatures } })).toEqual([
      'evidence_manifest_signature',
    ]);
  });
});

describe('what was seen before', () => {
  it('the same, the next, and one after a gap that the known owners signed', async () => {
    expect(await codes({ remembered: first })).toEqual([]);
    expect(await codes({ manifest: second, remembered: first })).toEqual([]);
    expect(await codes({ manifest: third, remembered: first })).toEqual([]);
  });
  it('policy_manifest_rollback: an older version that the owners did sign', async () => {
    expect(await codes({ remembered: second })).toEqual(['policy_manifest_rollback']);
    expect(await codes({ manifest: second, remembered: third })).toEqual(['policy_manifest_rollback']);
  });
  it('policy_manifest_forked: another version 2, or a version 3 after it', async () => {
    const fork = await nextOf(first, { not_after: '2027-02-01T00:00:00Z' });
    expect(await codes({ manifest: fork, remembered: second })).toEqual(['policy_manifest_forked']);
    expect(await codes({ manifest: await nextOf(fork), remembered: second })).toEqual([
      'policy_manifest_forked',
    ]);
  });
  it('policy_manifest_forked: a history that leads past what was seen', async () => {
    const fork = await nextOf(first, { not_after: '2027-02-01T00:00:00Z' });
    const history = [await signedBy(first, alice, bob), await signedBy(fork, alice, bob)];
    expect(await codes({ manifest: await nextOf(fork), remembered: second, bundle: { history } })).toEqual([
      'policy_manifest_forked',
    ]);
  });
  it('policy_manifest_succession: an owner who was removed signs on, and is pinned still', async () => {
    const without = await nextOf(first, { owners: holders(bob, carol, dave) });
    const taken = await nextOf(without, { owners: holders(alice, bob) });
    expect(await codes({ manifest: taken, signers: [alice, bob], remembered: without })).toEqual([
      'policy_manifest_succession',
    ]);
    const later = { ...taken, serial: 9 };
    expect(await codes({ manifest: later, signers: [alice, bob], remembered: without })).toEqual([
      'policy_manifest_succession',
    ]);
    expect(await codes({ manifest: later, signers: [alice, bob, dave], remembered: without })).toEqual([]);
  });
  it('policy_manifest_immutable: nothing may follow what nobody owns', async () => {
    const last = await nextOf(first, { owners: [], threshold: 0 });
    expect(await codes({ manifest: await nextOf(last, OWNED), remembered: last })).toEqual([
      'policy_manifest_immutable',
    ]);
  });
  it('policy_manifest_service: never another service, whatever its version', async () => {
    const other = { ...third, service: 'other.example' };
    expect(await codes({ manifest: other, remembered: first, pin: { service: 'other.example' } })).toEqual([
      'policy_manifest_service',
    ]);
  });
  it('throws for a memory that is no manifest, rather than take it for none', async () => {
    const { bundle, policy } = await simulatedNode({ manifest: OWNED, policy: { manifest: pin } });
    const damaged = verifyBundle(bundle, policy, { now, remembered: toUtf8('{}') });
    await expect(damaged).rejects.toMatchObject({ code: 'manifest_malformed' });
  });
  it('is remembered by service and owners, and by nothing for a digest', () => {
    expect(memoryNameOf(pin, 'https://a.example')).toBe(memoryNameOf(pin, 'https://b.example'));
    expect(memoryNameOf({ ...pin, service: 'x' }, 'o')).not.toBe(memoryNameOf(pin, 'o'));
    expect(memoryNameOf({ pin: 'first-use' }, 'a')).not.toBe(memoryNameOf({ pin: 'first-use' }, 'b'));
    expect(memoryNameOf({ pin: 'digest', digest: '' }, 'o')).toBeUndefined();
  });
});

describe('history', () => {
  const office = async () => {
    const handed = await nextOf(first, { owners: holders(dave), threshold: 1 });
    return { handed: await signedBy(handed, alice, bob, dave), current: await nextOf(handed) };
  };
  it('leads from pinned owners to those whom they signed into office', async () => {
    const { handed, current } = await office();
    const given = { manifest: current, signers: [dave] };
    expect(await codes(given)).toEqual(['policy_manifest_owners']);
    expect(await codes({ ...given, bundle: { history: [handed] } })).toEqual([]);
    expect(await codes({ ...given, bundle: { history: [handed] }, remembered: first })).toEqual([]);
  });
  it('evidence_manifest_history: a link that is missing, unsigned or of others', async () => {
    const { handed, current } = await office();
    const taken = await nextOf(first, { owners: holders(mallory), threshold: 1 });
    const v1 = await signedBy(first, alice, bob);
    const cases: readonly (readonly [Manifest, readonly Signer[], NonNullable<Changes['bundle']>])[] = [
      [current, [dave], { history: [v1] }],
      [current, [dave], { history: [v1, { manifest: handed.manifest }] }],
      [await nextOf(taken), [mallory], { history: [v1, await signedBy(taken, mallory)] }],
      [current, [dave], { history: [{ manifest: toUtf8('{}') }] }],
    ];
    for (const [manifest, signers, bundle] of cases)
      expect(await codes({ manifest, signers, bundle })).toEqual(['evidence_manifest_history']);
  });
});

describe('first use', () => {
  const firstUse = { pin: 'first-use' } as const;
  it('passes once as unverified, then holds on to it', async () => {
    const verification = await verify({ pin: firstUse });
    expect(verification.ok && verification.key.manifestTrust).toBe('first-use');
    expect(verification.steps.find(({ name }) => name === 'manifest.pin')?.result).toBe('skipped');
    expect(await codes({ pin: firstUse, remembered: first })).toEqual([]);
  });
  it('policy_manifest_changed, also by the right owners', async () => {
    expect(await codes({ pin: firstUse, manifest: second, remembered: first })).toEqual([
      'policy_manifest_changed',
    ]);
  });
  it('says more when more is wrong: a rollback, or owners who never had a say', async () => {
    expect(await codes({ pin: firstUse, remembered: second })).toEqual([
      'policy_manifest_rollback',
      'policy_manifest_changed',
    ]);
    const taken = await nextOf(first, { owners: holders(mallory), threshold: 1 });
    expect(await codes({ pin: firstUse, manifest: taken, signers: [mallory], remembered: first })).toEqual([
      'policy_manifest_succession',
      'policy_manifest_changed',
    ]);
  });
});

describe('notice', () => {
  const notice: Notice = { hours: 24, log: 'log.example/1', witnesses: holders(witness, dave), threshold: 1 };
  const ago = (hours: number): Date => new Date(now.getTime() - hours * 3_600_000);

  it('is satisfied by witnesses who saw the manifest in the log so long ago', async () => {
    for (const index of [0, 1, 2]) {
      const logProof = await proofOf(first, ago(25), { index });
      expect(await codes({ pin: { notice }, bundle: { logProof } })).toEqual([]);
    }
  });
  it('policy_manifest_notice: too young', async () => {
    const logProof = await proofOf(first, ago(23));
    expect(await codes({ pin: { notice }, bundle: { logProof } })).toEqual(['policy_manifest_notice']);
  });
  it('policy_manifest_notice_unproven: no proof, and none for this manifest, log or number of witnesses', async () => {
    expect(await codes({ pin: { notice } })).toEqual(['policy_manifest_notice_unproven']);
    const old = ago(25);
    const cases: readonly (readonly [Bytes, Notice?])[] = [
      [await proofOf(second, old)],
      [await proofOf(first, old, { log: 'log.example/2' })],
      [await proofOf(first, old, { by: mallory })],
      [await proofOf(first, old, { by: mallory, as: witness })],
      [await proofOf(first, old, { size: 2 })],
      [await proofOf(first, old, { label: 'cosignature/v2' })],
      [await proofOf(first, old), { ...notice, threshold: 2 }],
      [toUtf8('{"version":1}')],
    ];
    for (const [logProof, wanted = notice] of cases)
      expect(await codes({ pin: { notice: wanted }, bundle: { logProof } })).toEqual([
        'policy_manifest_notice_unproven',
      ]);
  });
});

/** A log of three entries, the manifest at `index`, cosigned by a witness at a time. */
async function proofOf(
  manifest: Manifest,
  at: Date,
  change: {
    readonly index?: number;
    readonly log?: string;
    readonly by?: Signer;
    readonly as?: Signer;
    readonly size?: number;
    readonly label?: string;
  } = {},
): Promise<Bytes> {
  const { index = 1, log = 'log.example/1', by = witness, as = by, size = 3 } = change;
  const leaves = await Promise.all([0, 1, 2].map((i) => leafHash(Uint8Array.of(i))));
  leaves[index] = await leafHash(await logEntryOf(encodeManifest(manifest)));
  const [a, b, c] = leaves as [Bytes, Bytes, Bytes];
  const inner = (left: Bytes, right: Bytes) => sha256(concat(Uint8Array.of(1), left, right));
  const ab = await inner(a, b);
  const paths = [[b, c], [a, c], [ab]];
  const body = `${log}\n${size}\n${toBase64(await inner(ab, c))}\n`;
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigUint64(0, BigInt(at.getTime() / 1000));
  const signature = by.sign(
    toUtf8(`${change.label ?? 'cosignature/v1'}\ntime ${at.getTime() / 1000}\n${body}`),
  );
  const key = Uint8Array.from(atob(as.ed25519.replaceAll('-', '+').replaceAll('_', '/')), (x) =>
    x.charCodeAt(0),
  );
  const id = (await sha256(concat(toUtf8(`${as.name}\n`), Uint8Array.of(4), key))).subarray(0, 4);
  return encodeLogProof({
    version: 1,
    index,
    path: (paths[index] ?? []).map(toBase64url),
    checkpoint: `${body}\n— ${as.name} ${toBase64(concat(id, time, signature))}\n`,
  });
}
