import { describe, expect, it } from 'vitest';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { fromHex, toHex } from '../../../shared/bytes/hex.ts';
import { encodeBundle, parseBundle } from '../../../shared/evidence/bundle.ts';
import type { DeviceEvidence } from '../../../shared/evidence/device-evidence.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { gpuNonceOf } from '../../../shared/evidence/nvidia-report.ts';
import type { GpuReferenceValue } from '../../../shared/manifest/gpu-reference-value.ts';
import { type Verification, verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import {
  type Changes,
  measurement,
  now,
  simulatedNode,
  testPlatform,
} from '../../backend/tee/simulated-node.ts';
import { makeNras, nrasKeys } from './nras-fixture.ts';
import {
  DRIVER_DIGEST,
  type GpuChanges,
  gpuRoot,
  LEAF_SERIAL,
  makeGpu,
  VBIOS_DIGEST,
} from './nvidia-fixture.ts';

const wanted: GpuReferenceValue = {
  vendor: 'nvidia',
  architecture: 'hopper',
  count: 1,
  evidence: 'report',
  minimum_driver: '550.90.07',
  minimum_vbios: '96.00.9F.00.01',
  golden_drivers: [{ version: '550.144.03', blocks: [{ block: 8, digests: [toHex(DRIVER_DIGEST)] }] }],
  golden_vbioses: [
    {
      version: '96.00.9F.00.02',
      project: '1010',
      project_sku: '0210',
      chip_sku: '886',
      blocks: [{ block: 1, digests: [toHex(VBIOS_DIGEST)] }],
    },
  ],
  device_ids: 'any',
  revocation: 'unchecked',
};

async function nodeWith(gpu: 'none' | GpuReferenceValue, changes: Changes): ReturnType<typeof simulatedNode> {
  const worker = [{ ...simulatedReferenceValue([toHex(measurement)]), gpu }];
  const simulated = [(await testPlatform()).rootSpkiSha256, await gpuRoot()];
  return simulatedNode({
    manifest: { reference_values: { worker } },
    policy: { roots: { hardware: false, simulated } },
    ...changes,
  });
}

async function verify(gpu: 'none' | GpuReferenceValue, changes: Changes): Promise<Verification> {
  const { bundle, policy } = await nodeWith(gpu, changes);
  return verifyBundle(bundle, policy, { now, nrasKeys: nrasKeys() });
}

function codesOf(verification: Verification): readonly string[] {
  return verification.ok ? [] : verification.failure.violations.map(({ code }) => code);
}

const gpus =
  (...all: readonly GpuChanges[]) =>
  (nonce: Bytes): readonly DeviceEvidence[] =>
    all.map((changes) => makeGpu({ nonce, ...changes }));

describe('a node whose manifest wants a GPU', () => {
  it('is verified with it, and shows as simulated', async () => {
    const verification = await verify(wanted, { devices: gpus({}) });
    expect(codesOf(verification)).toEqual([]);
    expect(verification.ok && verification.key.assurance).toBe('simulated');
    const names = verification.steps.map(({ name }) => name);
    expect(names.indexOf('binding.report-data')).toBeLessThan(names.indexOf('device.named'));
    expect(names.indexOf('gpu.nonce')).toBeLessThan(names.indexOf('policy.gpu-measurements'));
  });
  it('policy_gpu_absent: none', async () => {
    expect(codesOf(await verify(wanted, {}))).toEqual(['policy_gpu_absent', 'policy_gpu_count']);
  });
  it('policy_gpu_absent: one that is named and was left out', async () => {
    const { parts, policy } = await nodeWith(wanted, { devices: gpus({}) });
    const { statement, evidence } = parts.node;
    const bundle = encodeBundle({ ...parts, node: { statement, evidence } });
    expect(codesOf(await verifyBundle(bundle, policy, { now }))[0]).toBe('policy_gpu_absent');
  });
  it('evidence_device_missing: one of two was left out', async () => {
    const { parts, policy } = await nodeWith(
      { ...wanted, count: 2 },
      { devices: gpus({ serial: 1 }, { serial: 2 }) },
    );
    const devices = (parts.node.devices ?? []).slice(1);
    const bundle = encodeBundle({ ...parts, node: { ...parts.node, devices } });
    expect(codesOf(await verifyBundle(bundle, policy, { now }))).toEqual(['evidence_device_missing']);
  });
  it('evidence_gpu_nonce: one that answered earlier, or for another node', async () => {
    const stale = { devices: gpus({ nonce: new Uint8Array(32) }) };
    expect(codesOf(await verify(wanted, stale))).toEqual(['evidence_gpu_nonce']);
  });
  it('evidence_device_foreign: one that the statement does not name', async () => {
    const { parts, policy } = await nodeWith(wanted, { devices: gpus({}) });
    const other = (await nodeWith(wanted, { devices: gpus({}) })).parts.node.devices ?? [];
    for (const devices of [other, [...(parts.node.devices ?? []), ...other]]) {
      const bundle = encodeBundle({ ...parts, node: { ...parts.node, devices } });
      expect(codesOf(await verifyBundle(bundle, policy, { now }))).toEqual(['evidence_device_foreign']);
    }
  });
  it('policy_gpu_measurements: one in debug mode', async () => {
    const debug = { devices: gpus({ measurements: { 8: new Uint8Array(48).fill(9) } }) };
    expect(codesOf(await verify(wanted, debug))).toEqual(['policy_gpu_measurements']);
  });
  it('evidence_root_unknown: one of a maker that the policy does not name', async () => {
    const simulated = [(await testPlatform()).rootSpkiSha256];
    const policy = { roots: { hardware: false, simulated } };
    expect(codesOf(await verify(wanted, { devices: gpus({}), policy }))).toEqual(['evidence_root_unknown']);
  });
});

it('policy_device: a genuine GPU that the manifest does not ask for', async () => {
  expect(codesOf(await verify('none', { devices: gpus({}) }))).toEqual(['policy_device']);
});

describe('a node with NVIDIA’s verdict', () => {
  const judged =
    (ueid: string, shown: 'verdict' | 'both' | 'two verdicts') =>
    async (nonce: Bytes): Promise<readonly DeviceEvidence[]> => {
      const eat_nonce = toHex(nonce);
      const verdict = async (): Promise<DeviceEvidence> => ({
        kind: 'nras',
        answer: await makeNras({ overall: { eat_nonce }, device: { eat_nonce, ueid } }),
      });
      if (shown === 'two verdicts') return [await verdict(), await verdict()];
      return shown === 'verdict' ? [await verdict()] : [makeGpu({ nonce }), await verdict()];
    };
  const same = String(LEAF_SERIAL);

  it('is verified, alone and with the report of the same GPU, until the verdict ends', async () => {
    const alone = { ...wanted, evidence: 'nras', golden_drivers: [], golden_vbioses: [] } as const;
    const verification = await verify(alone, { devices: judged('7', 'verdict') });
    expect(codesOf(verification)).toEqual([]);
    expect(verification.ok && verification.key.notAfter).toEqual(new Date('2026-11-23T12:59:00Z'));
    for (const evidence of ['both', 'nras', 'report'] as const)
      expect(codesOf(await verify({ ...wanted, evidence }, { devices: judged(same, 'both') }))).toEqual([]);
    const both = { ...alone, evidence: 'both', revocation: 'required' } as const;
    expect(codesOf(await verify(both, { devices: judged(same, 'both') }))).toEqual([]);
  });
  it('policy_gpu_count: report and verdict are of different GPUs', async () => {
    expect(codesOf(await verify({ ...wanted, evidence: 'both' }, { devices: judged('7', 'both') }))).toEqual([
      'policy_gpu_count',
    ]);
  });
  it('evidence_gpu_nonce: it speaks of another question', async () => {
    const devices = async (): Promise<readonly DeviceEvidence[]> => [
      { kind: 'nras', answer: await makeNras() },
    ];
    expect(codesOf(await verify({ ...wanted, evidence: 'nras' }, { devices }))).toEqual([
      'evidence_gpu_nonce',
    ]);
  });
  it('evidence_device_foreign: two verdicts', async () => {
    expect(codesOf(await verify(wanted, { devices: judged('7', 'two verdicts') }))).toEqual([
      'evidence_device_foreign',
    ]);
  });
  it('evidence_nras_keys_absent: nobody fetched the keys', async () => {
    const { bundle, policy } = await nodeWith(wanted, { devices: judged('7', 'verdict') });
    expect(codesOf(await verifyBundle(bundle, policy, { now }))).toEqual(['evidence_nras_keys_absent']);
  });
});

describe('the nonce and the documents', () => {
  it('is SHA-256 over label, core digest and freshness', async () => {
    const nonce = await gpuNonceOf(new Uint8Array(32).fill(1), new Uint8Array(32).fill(2));
    const input = concatText('cloister gpu nonce v1\0', '01'.repeat(32) + '02'.repeat(32));
    expect(toHex(nonce)).toBe(toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', input))));
    expect(() => gpuNonceOf(new Uint8Array(31), new Uint8Array(33))).toThrow(RangeError);
  });
  it('a bundle with devices reads back as it was written', async () => {
    const { bundle, parts } = await nodeWith(wanted, { devices: gpus({}) });
    expect(parseBundle(bundle)).toEqual(parts);
  });
  it('a bundle with another kind of device is refused', async () => {
    const { bundle } = await nodeWith(wanted, { devices: gpus({}) });
    const text = new TextDecoder().decode(bundle).replace('nvidia-gpu","report', 'amd-gpu","report');
    expect(() => parseBundle(new TextEncoder().encode(text))).toThrow(EvidenceError);
  });
});

function concatText(label: string, hex: string): Bytes {
  return new Uint8Array([...new TextEncoder().encode(label), ...fromHex(hex)]);
}
