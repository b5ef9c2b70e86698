import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { manifestMemoryFolder, memoryInFolder } from '../../../shared/cli/file-manifest-memory.ts';
import {
  type ManifestMemory,
  memoryInProcess,
  memoryInStorage,
  rememberHigher,
} from '../../../shared/client/manifest-memory.ts';
import { type ManifestChangeEvent, verifyRemembering } from '../../../shared/client/verify-remembering.ts';
import { encodeManifest, type Manifest } from '../../../shared/manifest/manifest.ts';
import type { ManifestPin } from '../../../shared/verifier/manifest-pin.ts';
import { now, simulatedNode } from '../../backend/tee/simulated-node.ts';
import { alice, bob, carol } from '../manifest/manifest-fixture.ts';
import { holders, nextOf, signedBy } from '../manifest/signers.ts';

const folder = await mkdtemp(join(tmpdir(), 'cloister-memory-'));
afterAll(() => rm(folder, { recursive: true }));

const OWNED = { service: 'chat.example', owners: holders(alice, bob, carol), threshold: 2 };
const first = (await simulatedNode({ manifest: OWNED })).manifest;
const second = await nextOf(first, { key_epoch: { seconds: 7200, overlap_seconds: 3600 } });

const items = new Map<string, string>();
const storage = {
  getItem: (name: string) => items.get(name) ?? null,
  setItem: (name: string, value: string) => void items.set(name, value),
};
const memories: readonly (readonly [string, () => ManifestMemory])[] = [
  ['in process', memoryInProcess],
  ['in a page’s storage', () => memoryInStorage(storage)],
  ['in a folder', () => memoryInFolder(join(folder, 'state'))],
];

describe.each(memories)('a memory %s', (_name, make) => {
  it('keeps the highest version under each name', async () => {
    const memory = make();
    expect(await memory.read('a')).toBeUndefined();
    await rememberHigher(memory, 'a', encodeManifest(second));
    await rememberHigher(memory, 'a', encodeManifest(first));
    expect(await memory.read('a')).toEqual(encodeManifest(second));
    expect(await memory.read('b')).toBeUndefined();
  });
});

describe('the folder', () => {
  it('is the user’s alone, and nothing half-written stays in it', async () => {
    const state = join(folder, 'private');
    await memoryInFolder(state).write('a', encodeManifest(first));
    const names = await readdir(state);
    expect(names).toHaveLength(1);
    expect((await stat(state)).mode & 0o777).toBe(0o700);
    expect((await stat(join(state, names[0] ?? ''))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(state, names[0] ?? ''))).toEqual(Buffer.from(encodeManifest(first)));
  });
  it('manifest_memory_unreadable: a damaged file is no empty memory', async () => {
    const state = join(folder, 'damaged');
    await memoryInFolder(state).write('a', encodeManifest(first));
    const [name = ''] = await readdir(state);
    await chmod(join(state, name), 0o600);
    await writeFile(join(state, name), '{}');
    await expect(memoryInFolder(state).read('a')).rejects.toMatchObject({
      code: 'manifest_memory_unreadable',
    });
  });
  it('follows XDG_STATE_HOME when that is absolute', () => {
    expect(manifestMemoryFolder({ XDG_STATE_HOME: '/x' })).toBe('/x/cloister/manifests');
    expect(manifestMemoryFolder({ XDG_STATE_HOME: 'x' })).toMatch(/\/\.local\/state\/cloister\/manifests$/);
  });
});

const owners: ManifestPin = {
  pin: 'owners',
  service: 'chat.example',
  owners: [alice.ed25519, bob.ed25519, carol.ed25519],
  threshold: 2,
  minimum_serial: 1,
  notice: 'none',
};

/** What a client says of a node under a manifest, with what it knows. */
async function verify(
  manifest: Manifest,
  pin: ManifestPin,
  remembering: Parameters<typeof verifyRemembering>[3],
): Promise<string> {
  const { signatures } = await signedBy(manifest, alice, bob);
  const { bundle, policy } = await simulatedNode({
    manifest,
    policy: { manifest: pin },
    bundle: { signatures },
  });
  const verification = await verifyRemembering(bundle, policy, { now }, remembering);
  return verification.ok ? 'verified' : verification.failure.violations.map(({ code }) => code).join();
}

describe('a client', () => {
  it('refuses to go back, wherever the older version comes from', async () => {
    const memory = memoryInProcess();
    expect(await verify(first, owners, { memory, origin: 'https://a.example' })).toBe('verified');
    expect(await verify(second, owners, { memory, origin: 'https://a.example' })).toBe('verified');
    expect(await verify(first, owners, { memory, origin: 'https://b.example' })).toBe(
      'policy_manifest_rollback',
    );
    expect(await verify(first, owners, { memory: memoryInProcess(), origin: 'https://b.example' })).toBe(
      'verified',
    );
  });
  it('remembers nothing of what it refused', async () => {
    const memory = memoryInProcess();
    const { signatures } = await signedBy(second, alice);
    const { bundle, policy } = await simulatedNode({
      manifest: second,
      policy: { manifest: owners },
      bundle: { signatures },
    });
    expect((await verifyRemembering(bundle, policy, { now }, { memory, origin: 'o' })).ok).toBe(false);
    expect(await verify(first, owners, { memory, origin: 'o' })).toBe('verified');
  });
  it('on first use asks about every change, and holds on to the answer', async () => {
    const memory = memoryInProcess();
    const firstUse = { pin: 'first-use' } as const;
    const asked: ManifestChangeEvent[] = [];
    const answering = (answer: boolean) => ({
      memory,
      origin: 'https://a.example',
      onManifestChange: (event: ManifestChangeEvent) => {
        asked.push(event);
        return answer;
      },
    });
    expect(await verify(first, firstUse, answering(true))).toBe('verified');
    expect(asked).toEqual([]);
    expect(await verify(second, firstUse, answering(false))).toBe('policy_manifest_changed');
    expect(await verify(second, firstUse, { memory, origin: 'https://a.example' })).toBe(
      'policy_manifest_changed',
    );
    expect(await verify(second, firstUse, answering(true))).toBe('verified');
    expect(asked.map(({ before, after }) => [before.serial, after.serial])).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(asked[0]?.changes.filter(({ effect }) => effect === 'weaker').map(({ path }) => path)).toEqual([
      'key_epoch.seconds',
    ]);
    expect(await verify(second, firstUse, answering(false))).toBe('verified');
    // A rollback is refused without asking.
    expect(await verify(first, firstUse, answering(true))).toBe(
      'policy_manifest_rollback,policy_manifest_changed',
    );
    expect(asked).toHaveLength(2);
  });
});
