// A new version of the manifest reaches a node that runs, and clients follow it; whoever shows them the old one again is refused.

import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toBase64url } from '../../shared/bytes/base64url.ts';
import { publishManifest, readSigned, signaturesPathOf } from '../../shared/cli/manifest/manifest-folder.ts';
import { readOwnerKey } from '../../shared/cli/manifest/owner-key.ts';
import { createCloister } from '../../shared/client/create-cloister.ts';
import { memoryInProcess } from '../../shared/client/manifest-memory.ts';
import { encodeManifest, manifestDigest, parseManifest } from '../../shared/manifest/manifest.ts';
import { addSignature, encodeSignatures, noSignatures } from '../../shared/manifest/manifest-signatures.ts';
import { startHostileEdge } from '../harness/hostile-edge.ts';
import { startWholeSystem, until, type WholeSystem } from '../harness/whole-system.ts';

let system: WholeSystem;
beforeAll(async () => {
  system = await startWholeSystem({ nodes: 1 });
}, 120_000);
afterAll(() => system?.stop());

test('a node follows on SIGHUP, and nobody goes back', async () => {
  const { owner, folder } = system;
  const [node] = system.nodes;
  if (node === undefined) throw new Error('no node');
  const manifestMemory = memoryInProcess();
  const cloister = system.client({ manifestMemory });
  const { key, bundle: oldBundle } = await cloister.verify();
  const before = await readSigned(owner.manifestPath);
  expect(key.manifest).toEqual(before.manifest);

  const first = parseManifest(before.manifest);
  const manifest = encodeManifest({
    ...first,
    serial: first.serial + 1,
    previous: toBase64url(await manifestDigest(before.manifest)),
    not_after: first.not_after.replace(/^\d{4}/, (year) => String(Number(year) + 1)),
  });
  const signer = await readOwnerKey(join(folder, 'owner', 'owner.key.json'));
  const document = await addSignature(await noSignatures(manifest), manifest, signer.ed25519, signer.sign);
  const saw = (event: string) => node.events.filter((line) => line.event === event);

  // Unsigned, it changes nothing.
  await writeFile(owner.manifestPath, manifest);
  process.kill(node.pid, 'SIGHUP');
  await until(() => saw('manifest_refused').length === 1, 20_000);
  expect(saw('manifest_refused')[0]).toMatchObject({ code: 'signature_invalid' });

  const signed = { manifest, signatures: encodeSignatures(document) };
  await publishManifest(dirname(owner.manifestPath), signed);
  process.kill(node.pid, 'SIGHUP');
  await until(() => saw('manifest_in_force').length === 1, 20_000);
  await until(async () => (await cloister.verify()).key.manifest.length === manifest.length, 20_000);
  expect((await cloister.verify()).key.manifest).toEqual(manifest);
  const answer = await cloister.fetch(`${cloister.baseURL}/models`);
  expect(answer.status).toBe(200);

  // The edge hands out what it had before: genuine, signed by the owner, and not expired.
  const edge = startHostileEdge(new Map([[key.node, new Uint8Array(oldBundle)]]));
  const over = { baseURL: system.origin, apiKey: system.apiKey, policy: owner.policy, fetch: edge.fetch };
  await expect(createCloister({ ...over, manifestMemory }).verify()).rejects.toMatchObject({
    code: 'policy_manifest_rollback',
  });
  // Only who never saw the new version can be told the old one.
  expect((await createCloister(over).verify()).key.manifest).toEqual(before.manifest);

  // Whoever can write the node's files cannot take it back either.
  await writeFile(owner.manifestPath, before.manifest);
  await writeFile(signaturesPathOf(owner.manifestPath), before.signatures ?? '');
  process.kill(node.pid, 'SIGHUP');
  await until(() => saw('manifest_refused').length === 2, 20_000);
  expect(saw('manifest_refused')[1]).toMatchObject({ code: 'manifest_succession' });
  expect((await cloister.verify()).key.manifest).toEqual(manifest);
  expect(await readFile(owner.manifestPath)).toEqual(Buffer.from(before.manifest));
}, 120_000);
