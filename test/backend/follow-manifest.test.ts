import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManifestInForce } from '../../backend/follow-manifest.ts';
import type { NodeEvent } from '../../backend/node-event.ts';
import { publishManifest } from '../../shared/cli/manifest/manifest-folder.ts';
import type { Manifest } from '../../shared/manifest/manifest.ts';
import { parsePolicy } from '../../shared/verifier/policy.ts';
import { alice, bob, carol, dave, firstManifest, mallory } from '../shared/manifest/manifest-fixture.ts';
import { holders, nextOf, type Signer, signedBy } from '../shared/manifest/signers.ts';

const NOW = new Date('2026-12-01T00:00:00Z');
const first = await firstManifest();
const policy = parsePolicy({
  version: 1,
  manifest: {
    pin: 'owners',
    service: 'chat.example',
    owners: [alice.ed25519],
    threshold: 1,
    minimum_serial: 1,
    notice: 'none',
  },
  roots: { hardware: true, simulated: [] },
  require_post_quantum: true,
  require_result: false,
  accept_milan: false,
});

let folder: string;
let events: NodeEvent[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-follow-'));
  events = [];
  await publishManifest(folder, await signedBy(first, alice, bob));
});
afterEach(() => rm(folder, { recursive: true }));

const begin = (deployment = 'tiny', at = NOW, by = policy) =>
  ManifestInForce.begin({
    path: join(folder, 'manifest.json'),
    deployment,
    policy: by,
    now: () => at,
    log: (event) => void events.push(event),
  });

/** Epochs that name whatever manifest was in force when they were made; one is always prepared ahead. */
function epochsUnder(inForce: ManifestInForce) {
  const make = () => ({ parts: { manifest: inForce.current.manifest } });
  let [current, pending] = [make(), make()];
  return {
    get current() {
      return current;
    },
    async rotate() {
      [current, pending] = [pending, make()];
    },
  };
}

/** Puts files in place without asking anybody, as whoever can write there may. */
async function put(manifest: Manifest, ...signers: readonly Signer[]): Promise<void> {
  const signed = await signedBy(manifest, ...signers);
  await writeFile(join(folder, 'manifest.json'), signed.manifest);
  await writeFile(join(folder, 'manifest.signatures.json'), signed.signatures);
}

it('puts the next version into force: the epoch on offer names it', async () => {
  const inForce = await begin();
  const epochs = epochsUnder(inForce);
  const second = await signedBy(await nextOf(first, { not_after: '2027-06-01T00:00:00Z' }), bob, carol);
  await publishManifest(folder, second);
  await Promise.all([inForce.follow(epochs), inForce.follow(epochs)]);
  expect(epochs.current.parts.manifest).toEqual(second.manifest);
  expect(inForce.current.signatures).toEqual(second.signatures);
  expect(inForce.current.history).toBeUndefined();
  expect(events).toEqual([{ event: 'manifest_in_force', serial: 2 }]);
});

it('carries the history along once owners have changed', async () => {
  const second = await nextOf(first, { owners: holders(dave), threshold: 1 });
  await publishManifest(folder, await signedBy(second, alice, bob, dave));
  const inForce = await begin();
  expect(inForce.current.history?.map(({ manifest }) => manifest)).toEqual([
    (await signedBy(first, alice, bob)).manifest,
  ]);
});

describe('goes on under the version in force, and says why', () => {
  const cases: readonly (readonly [string, string, (folder: string) => Promise<unknown>])[] = [
    ['too few owners', 'manifest_signatures', async () => put(await nextOf(first), alice)],
    [
      'others took it over',
      'manifest_succession',
      async () => put(await nextOf(first, { owners: holders(mallory), threshold: 1 }), mallory),
    ],
    [
      'a version left out',
      'manifest_succession',
      async () => put(await nextOf(await nextOf(first)), alice, bob),
    ],
    [
      'it has ended',
      'manifest_expired',
      async () => put(await nextOf(first, { not_after: '2026-11-30T00:00:00Z' }), alice, bob),
    ],
    [
      'its deployment is gone',
      'manifest_deployment',
      async () =>
        put(
          await nextOf(first, {
            deployments: first.deployments.map((entry) => ({ ...entry, name: 'other' })),
            secrets: [],
          }),
          alice,
          bob,
        ),
    ],
    [
      'other key epochs',
      'manifest_needs_restart',
      async () => put(await nextOf(first, { key_epoch: { seconds: 60, overlap_seconds: 60 } }), alice, bob),
    ],
    [
      'the manifest without its signatures',
      'signature_invalid',
      async (at) => writeFile(join(at, 'manifest.json'), (await signedBy(await nextOf(first))).manifest),
    ],
    [
      'junk',
      'manifest_malformed',
      async (at) => {
        await rm(join(at, 'manifest.signatures.json'));
        await writeFile(join(at, 'manifest.json'), '{}');
      },
    ],
    ['nothing there', 'manifest_unreadable', async (at) => rm(join(at, 'manifest.json'))],
  ];
  it.each(cases)('%s: %s', async (_name, code, change) => {
    const inForce = await begin();
    const epochs = epochsUnder(inForce);
    const { manifest } = inForce.current;
    await change(folder);
    await inForce.follow(epochs);
    expect(events).toEqual([{ event: 'manifest_refused', code }]);
    expect(epochs.current.parts.manifest).toEqual(manifest);
    expect(inForce.current.manifest).toEqual(manifest);
  });
  it('its own policy pins the digest: manifest_needs_restart', async () => {
    const pinned = parsePolicy({ ...policy, manifest: { pin: 'digest', digest: 'A'.repeat(43) } });
    const inForce = await begin('tiny', NOW, pinned);
    await put(await nextOf(first), alice, bob);
    await inForce.follow(epochsUnder(inForce));
    expect(events).toEqual([{ event: 'manifest_refused', code: 'manifest_needs_restart' }]);
  });
});

it('does not start under a manifest that does not hold', async () => {
  await expect(begin('other')).rejects.toMatchObject({ code: 'manifest_deployment' });
  await expect(begin('tiny', new Date('2027-01-01T00:00:01Z'))).rejects.toMatchObject({
    code: 'manifest_expired',
  });
  await put(first, alice);
  await expect(begin()).rejects.toMatchObject({ code: 'manifest_signatures' });
});
