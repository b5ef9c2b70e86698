import { describe, expect, it } from 'vitest';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { encodeManifest } from '../../../shared/manifest/manifest.ts';
import { ManifestError } from '../../../shared/manifest/manifest-error.ts';
import { manifestMessage } from '../../../shared/manifest/manifest-signatures.ts';
import {
  encodeReleasePolicy,
  isReleaseSigned,
  judgeRelease,
  type Release,
  type ReleaseFacts,
} from '../../../shared/manifest/secret.ts';
import { alice, bob, firstManifest, mallory, secretOf, uploader } from './manifest-fixture.ts';

const DIGEST = '11'.repeat(32);
const values = [simulatedReferenceValue(['5a'.repeat(48)])];
const facts: ReleaseFacts = {
  service: 'chat.example',
  deployment: 'tiny',
  deploymentDigest: DIGEST,
  fits: (wanted) => JSON.stringify(wanted) === JSON.stringify(values),
  manifestSigners: new Set([alice.ed25519, bob.ed25519]),
};
const toOwners: Release = { to: 'owners', owners: [alice.ed25519, bob.ed25519], threshold: 2 };

async function judge(release: Release, changes: Partial<ReleaseFacts> = {}): Promise<string> {
  return (await judgeRelease(await secretOf(release), { ...facts, ...changes })) ?? 'released';
}

describe('a secret leaves', () => {
  it('to the deployment that its uploader named', async () => {
    expect(await judge({ to: 'deployment', digest: DIGEST })).toBe('released');
    expect(await judge({ to: 'deployment', digest: '22'.repeat(32) })).toBe('release_deployment');
  });
  it('to a node that fits the uploader’s own reference values', async () => {
    expect(await judge({ to: 'reference-values', reference_values: values })).toBe('released');
    expect(await judge({ to: 'reference-values', reference_values: values }, { fits: () => false })).toBe(
      'release_reference_values',
    );
  });
  it('under any manifest of the owners whom the uploader trusts', async () => {
    expect(await judge(toOwners)).toBe('released');
    // What keeps a manifest owner from naming a worker that logs.
    for (const signers of [[], [alice.ed25519], [alice.ed25519, mallory.ed25519]])
      expect(await judge(toOwners, { manifestSigners: new Set(signers) })).toBe('release_owners');
  });
  it('never to another service or a deployment that the manifest does not name for it', async () => {
    expect(await judge(toOwners, { service: 'other.example' })).toBe('release_service');
    expect(await judge(toOwners, { deployment: 'logger' })).toBe('release_not_for_deployment');
  });
  it('never by a policy that its uploader did not sign', async () => {
    const honest = await secretOf({ to: 'deployment', digest: DIGEST });
    const loose = encodeReleasePolicy({
      version: 1,
      service: 'chat.example',
      secret: 'weights-key',
      release: { to: 'owners', owners: [mallory.ed25519], threshold: 1 },
    });
    const swapped = { ...honest, release_policy: toBase64url(loose) };
    expect(await judgeRelease(swapped, { ...facts, manifestSigners: new Set([mallory.ed25519]) })).toBe(
      'release_signature',
    );
    expect(await isReleaseSigned({ ...honest, uploader: mallory.ed25519 })).toBe(false);
    // An owner's signature of a manifest is none of a release policy.
    const signature = toBase64url(uploader.sign(await manifestMessage(loose)));
    expect(await isReleaseSigned({ ...swapped, signature })).toBe(false);
  });
});

async function problems(secret: object): Promise<readonly string[]> {
  const manifest = { ...(await firstManifest()), secrets: [secret] };
  try {
    encodeManifest(manifest as Awaited<ReturnType<typeof firstManifest>>);
    return [];
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    return error.problems.map(({ path, message }) => `${path}: ${message}`);
  }
}

describe('a manifest refuses', () => {
  it('a secret for a deployment that it does not have, twice the same, or under another’s policy', async () => {
    const secret = await secretOf(toOwners);
    expect(await problems(secret)).toEqual([]);
    expect(await problems({ ...secret, deployments: ['tiny', 'huge'] })).toEqual([
      'secrets[0].deployments[1]: must be the name of a deployment here',
    ]);
    expect(await problems({ ...secret, deployments: ['tiny', 'tiny'] })).toEqual([
      'secrets[0].deployments: has a name twice',
    ]);
    expect(await problems({ ...secret, name: 'other' })).toEqual([
      'secrets[0]: has the release policy of another secret',
    ]);
  });
  it('a release policy with anything in it that is not understood, with the path inside', async () => {
    const secret = await secretOf(toOwners);
    const policy = { version: 1, service: 's', secret: 'weights-key', release: { to: 'anybody' }, more: 1 };
    expect(
      await problems({ ...secret, release_policy: toBase64url(toUtf8(JSON.stringify(policy))) }),
    ).toEqual([
      'secrets[0].release_policy: more: unknown member',
      'secrets[0].release_policy: release.to: must be "deployment"',
      'secrets[0].release_policy: release.digest: missing',
    ]);
    const greedy = {
      version: 1,
      service: 's',
      secret: 'weights-key',
      release: { ...toOwners, threshold: 3 },
    };
    expect(
      await problems({ ...secret, release_policy: toBase64url(toUtf8(JSON.stringify(greedy))) }),
    ).toEqual(['secrets[0].release_policy: release: wants more owners than it names']);
  });
  it('keys and thresholds that cannot be meant', async () => {
    const first = await firstManifest();
    const tries: readonly (readonly [object, string])[] = [
      [{ threshold: 0 }, 'threshold: must be 1 to 3, the number of key holders'],
      [{ threshold: 4 }, 'threshold: must be 1 to 3, the number of key holders'],
      [{ owners: [] }, 'threshold: must be 0, because nobody holds a key'],
      [{ owners: [...first.owners, { name: 'dora', ed25519: alice.ed25519 }] }, 'owners: has a key twice'],
      [
        { owners: [...first.owners, { name: 'alice', ed25519: mallory.ed25519 }] },
        'owners: has a name twice',
      ],
      [
        { seed_shares: { ...first.seed_shares, threshold: 0 } },
        'seed_shares.threshold: must be 1 to 2, the number of key holders',
      ],
      [
        { witnesses: { keys: [], threshold: 1 } },
        'witnesses.threshold: must be 0, because nobody holds a key',
      ],
      [{ serial: 2 }, 'previous: must be "none" with serial 1 and a digest with every other'],
      [{ previous: 'A'.repeat(43) }, 'previous: must be "none" with serial 1 and a digest with every other'],
      [
        { owners: [{ name: 'zero', ed25519: 'A'.repeat(43) }], threshold: 1 },
        'owners[0].ed25519: must be base64url of an Ed25519 public key',
      ],
    ];
    for (const [changes, problem] of tries) {
      let found: readonly string[] = [];
      try {
        encodeManifest({ ...first, ...changes } as typeof first);
      } catch (error) {
        if (!(error instanceof ManifestError)) throw error;
        found = error.problems.map(({ path, message }) => `${path}: ${message}`);
      }
      expect(found).toEqual([problem]);
    }
  });
});
