import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admitGpus } from '../../../backend/attestation-service/admit-gpus.ts';
import type { SimulatedGpuFault } from '../../../backend/tee/simulated/gpu-faults.ts';
import { loadSimulatedGpus, type SimulatedGpus } from '../../../backend/tee/simulated/gpu-platform.ts';
import { createSimulatedGpus, simulatedGpuReferenceValue } from '../../../backend/tee/simulated/gpus.ts';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { now, random, simulatedNode } from '../tee/simulated-node.ts';

describe('GPUs before an engine sees them', () => {
  let folder: string;
  let platform: SimulatedGpus;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gpus-'));
    platform = await loadSimulatedGpus(folder, 1, random);
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function admit(fault?: SimulatedGpuFault, count = 1, replayed = false): Promise<void> {
    const driver = createSimulatedGpus({ platform, random, fault });
    const { manifest, policy } = await simulatedNode({
      manifest: {
        reference_values: {
          worker: [
            { ...simulatedReferenceValue(['11'.repeat(48)]), gpu: simulatedGpuReferenceValue(16) },
            { ...simulatedReferenceValue(['11'.repeat(48)]), gpu: simulatedGpuReferenceValue(count) },
          ],
        },
      },
      policy: { roots: { hardware: false, simulated: [platform.rootSpkiSha256] } },
    });
    const old = await driver.attest(random(32));
    await admitGpus(async (nonce) => (replayed ? old : driver.attest(nonce)), {
      manifest,
      role: 'worker',
      policy,
      random,
      now,
    });
  }

  it('are admitted where one set of expectations fits', async () => {
    await admit();
  });
  it.each([
    ['gpu-missing', 'policy_gpu_absent'],
    ['gpu-patched-driver', 'policy_gpu_measurements'],
    ['gpu-foreign-root', 'evidence_root_unknown'],
    ['gpu-replayed', 'evidence_gpu_nonce'],
  ] as const)('are refused with %s', async (fault, code) => {
    await expect(admit(fault)).rejects.toMatchObject({
      code: 'gpus_refused',
      message: expect.stringContaining(code),
    });
  });
  it('are refused in another number', async () => {
    await expect(admit(undefined, 2)).rejects.toMatchObject({ code: 'gpus_refused' });
  });
  it('are refused with an answer to an earlier question', async () => {
    await expect(admit(undefined, 1, true)).rejects.toMatchObject({
      message: expect.stringContaining('evidence_gpu_nonce'),
    });
  });
});
