import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  isSimulatedGpuFault,
  SIMULATED_GPU_FAULTS,
  type SimulatedGpuFault,
} from '../../../backend/tee/simulated/gpu-faults.ts';
import { loadSimulatedGpus, type SimulatedGpus } from '../../../backend/tee/simulated/gpu-platform.ts';
import { createSimulatedGpus, simulatedGpuReferenceValue } from '../../../backend/tee/simulated/gpus.ts';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { type Verification, verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { measurement, now, random, simulatedNode, testPlatform } from './simulated-node.ts';

describe('simulated GPUs', () => {
  let folder: string;
  let gpus: SimulatedGpus;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gpus-'));
    gpus = await loadSimulatedGpus(folder, 1, random);
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function verify(options: {
    readonly fault?: SimulatedGpuFault;
    readonly platform?: SimulatedGpus;
    readonly wanted?: number;
    readonly trusted?: boolean;
  }): Promise<Verification> {
    const { fault, platform = gpus, wanted = 1, trusted = true } = options;
    const driver = createSimulatedGpus({ platform, random, fault });
    const { rootSpkiSha256 } = await testPlatform();
    const { bundle, policy } = await simulatedNode({
      manifest: {
        reference_values: {
          worker: [
            { ...simulatedReferenceValue([toHex(measurement)]), gpu: simulatedGpuReferenceValue(wanted) },
          ],
        },
      },
      devices: async (nonce) => driver.attest(nonce),
      policy: {
        roots: { hardware: false, simulated: [rootSpkiSha256, ...(trusted ? [gpus.rootSpkiSha256] : [])] },
      },
    });
    return verifyBundle(bundle, policy, { now });
  }
  const codes = (verification: Verification): readonly string[] =>
    verification.ok ? [] : verification.failure.violations.map(({ code }) => code);

  it('are accepted where manifest and policy ask for them, and show as simulated', async () => {
    const verification = await verify({});
    expect(codes(verification)).toEqual([]);
    expect(verification.ok && verification.key.assurance).toBe('simulated');
  });
  it('are accepted several at once, all different', async () => {
    const four = await loadSimulatedGpus(folder, 4, random);
    expect(codes(await verify({ platform: four, wanted: 4 }))).toEqual([]);
    expect(new Set(four.gpus.map(({ ueid }) => ueid)).size).toBe(4);
  });
  it('are refused where the policy does not name their root', async () => {
    expect(codes(await verify({ trusted: false }))).toContain('evidence_root_unknown');
  });
  it.each(
    Object.entries(SIMULATED_GPU_FAULTS).map(([name, { refusedWith }]) => [name, refusedWith] as const),
  )('with the fault %s are refused with %s', async (fault, refusedWith) => {
    expect(codes(await verify({ fault: fault as SimulatedGpuFault }))[0]).toBe(refusedWith);
  });
  it('stay the same machine’s in later runs, in a file that only its owner reads', async () => {
    expect((await loadSimulatedGpus(folder, 1, random)).rootSpkiSha256).toBe(gpus.rootSpkiSha256);
    expect((await stat(join(folder, 'simulated-gpus.json'))).mode & 0o777).toBe(0o600);
  });
  it('refuse a damaged file and another number', async () => {
    const other = await mkdtemp(join(tmpdir(), 'gpus-'));
    await writeFile(join(other, 'simulated-gpus.json'), '{}');
    await expect(loadSimulatedGpus(other, 1, random)).rejects.toMatchObject({
      code: 'simulated_platform_malformed',
    });
    await rm(other, { recursive: true });
    for (const count of [0, 17, 1.5])
      await expect(loadSimulatedGpus(folder, count, random)).rejects.toThrow(RangeError);
  });
  it('take a nonce of 32 octets', async () => {
    await expect(createSimulatedGpus({ platform: gpus, random }).attest(new Uint8Array(31))).rejects.toThrow(
      RangeError,
    );
  });
  it('know their faults by name', () => {
    expect(isSimulatedGpuFault('gpu-missing')).toBe(true);
    for (const word of ['', 'toString', 'debug']) expect(isSimulatedGpuFault(word)).toBe(false);
  });
});
