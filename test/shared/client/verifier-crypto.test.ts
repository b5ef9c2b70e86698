import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OwnerFiles } from '../../../deploy/local/owner-files.ts';
import { createCloister, nobleCrypto, VerificationError } from '../../../shared/client/index.ts';
import { describeNode, startHostileEdge } from '../../harness/hostile-edge.ts';
import { writeTinyOwnerFiles } from '../../harness/whole-system.ts';

let folder: string;
let owner: OwnerFiles;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-noble-'));
  owner = await writeTinyOwnerFiles(folder, new Date());
}, 60_000);
afterAll(() => rm(folder, { recursive: true }));

async function clientWithNoble(fault?: 'forged-report') {
  const node = await describeNode(owner, fault && { fault });
  const edge = startHostileEdge(new Map([[node.id, node.bundle]]));
  const options = { baseURL: 'http://edge.invalid', apiKey: 'k', policy: owner.policy, fetch: edge.fetch };
  return createCloister({ ...options, verifierCrypto: nobleCrypto });
}

test('a client may verify with noble, and gets the same verdicts', async () => {
  expect((await (await clientWithNoble()).verify()).key.assurance).toBe('simulated');
  const refused = (await clientWithNoble('forged-report')).verify();
  await expect(refused).rejects.toBeInstanceOf(VerificationError);
  await expect(refused).rejects.toMatchObject({ code: 'evidence_report_signature' });
});
