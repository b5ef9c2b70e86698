// The devices beside the CPU: which ones the statement names, whether exactly those came with it, and whether each is genuine.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import type { DeviceEvidence } from '../evidence/device-evidence.ts';
import { deviceDigestOf } from '../evidence/device-evidence.ts';
import type { NodeStatement } from '../evidence/node-statement.ts';
import { gpuNonceOf } from '../evidence/nvidia-report.ts';
import { compare, type StepLog } from './step.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';
import type { GenuineNras } from './verify-nras.ts';
import type { NvidiaTrust } from './verify-nvidia-chain.ts';
import type { CertificateStatusOf, GenuineGpu } from './verify-nvidia-gpu.ts';

/** Devices whose makers answer for them. */
export interface GenuineDevices {
  readonly gpus: readonly GenuineGpu[];
  readonly verdict: GenuineNras | undefined;
  /** Kinds of the devices that the statement names, whether or not evidence of them came with it. */
  readonly named: readonly string[];
  /** `simulated` when a single one is. */
  readonly assurance: 'hardware' | 'simulated';
  /** When the first of all evidence ends; undefined without devices. */
  readonly notAfter: Date | undefined;
}

/**
 * Takes the step `device.named` when there is evidence of devices, and then those of each device; stops at the first failure.
 * The CPU's report covers the statement, and the statement names each device's evidence by its hash: that shows that the
 * measured guest saw this evidence. The devices answered a nonce made from the same core: that keeps them out of other
 * nodes' bundles. That a device sits on this board is shown by its id in the manifest and by nothing here.
 */
export async function verifyDevices(
  log: StepLog,
  devices: readonly DeviceEvidence[],
  facts: {
    readonly statement: Pick<NodeStatement, 'devices' | 'freshness'>;
    /** 32 octets. */
    readonly coreDigest: Bytes;
    readonly trust: NvidiaTrust;
    /** Key set of NVIDIA's service as the caller fetched it. */
    readonly nrasKeys: Uint8Array | undefined;
    readonly statusOf: CertificateStatusOf | undefined;
    readonly now: Date;
    readonly crypto: VerifierCrypto;
  },
): Promise<GenuineDevices> {
  const { statement, coreDigest } = facts;
  const named = statement.devices.map(({ kind }) => kind);
  if (devices.length === 0)
    return { gpus: [], verdict: undefined, named, assurance: 'hardware', notAfter: undefined };

  await log.must('device.named', 'The statement names each device that is shown, once', async () => {
    const left = statement.devices.map(({ kind, sha256 }) => `${kind} ${toBase64url(sha256)}`);
    for (const device of devices) {
      const name = `${device.kind} ${toBase64url(await deviceDigestOf(device))}`;
      const index = left.indexOf(name);
      if (index < 0)
        return {
          result: 'fail',
          code: 'evidence_device_foreign',
          expected: left.join(', ') || 'no device',
          actual: name,
        };
      left.splice(index, 1);
    }
    return compare(
      left.length === 0,
      'evidence_device_missing',
      'all that are named',
      left.length === 0 ? 'all that are named' : `without ${left.join(', ')}`,
    );
  });

  // Loaded with the first device, so that a browser does not carry what it never meets.
  const { verifyNvidiaGpu } = await import('./verify-nvidia-gpu.ts');
  const { verifyNras } = await import('./verify-nras.ts');
  const nonce = await gpuNonceOf(coreDigest, statement.freshness.value);
  const gpus: GenuineGpu[] = [];
  let verdict: GenuineNras | undefined;
  for (const device of devices) {
    if (device.kind === 'nvidia-gpu') gpus.push(await verifyNvidiaGpu(log, device, { ...facts, nonce }));
    else {
      const second = verdict !== undefined;
      await log.must('device.verdicts', 'There is one verdict over all devices', () =>
        compare(!second, 'evidence_device_foreign', 'one', second ? 'another one' : 'one'),
      );
      verdict = await verifyNras(log, device.answer, { ...facts, nonce, keys: facts.nrasKeys });
    }
  }
  const ends = [...gpus, ...(verdict ? [verdict] : [])].map(({ notAfter }) => notAfter.getTime());
  return {
    gpus,
    verdict,
    named,
    assurance: gpus.some(({ assurance }) => assurance === 'simulated') ? 'simulated' : 'hardware',
    notAfter: new Date(Math.min(...ends)),
  };
}
