// Simulated GPUs as a driver, and what a manifest says to accept them. They protect nothing.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import type { NvidiaGpuEvidence } from '../../../shared/evidence/bundle.ts';
import type { GpuReferenceValue } from '../../../shared/manifest/gpu-reference-value.ts';
import type { DeviceDriver } from '../tee-driver.ts';
import {
  makeGpuEvidence,
  SIMULATED_BLOCK,
  SIMULATED_DRIVER,
  SIMULATED_VBIOS_OCTETS,
  type SimulatedGpuFault,
} from './gpu-faults.ts';
import { type SimulatedGpus, simulatedDigest } from './gpu-platform.ts';
import { GPU_FIELD, textField } from './write-gpu-report.ts';

const SIMULATED_VBIOS = '96.00.CF.00.01';
const BOARD = { project: '1010', project_sku: '0210', chip_sku: '886' } as const;
const DIGEST = {
  driver: simulatedDigest('Cloister simulated driver'),
  vbios: simulatedDigest('Cloister simulated VBIOS'),
} as const;

/** Evidence is always that of NVIDIA's local report. */
export interface SimulatedGpuDriver extends DeviceDriver {
  attest(nonce: Bytes): Promise<readonly NvidiaGpuEvidence[]>;
}

/** A driver for the GPUs of a simulated machine. */
export function createSimulatedGpus(options: {
  readonly platform: SimulatedGpus;
  readonly random: (octets: number) => Bytes;
  /** What to play instead of sound GPUs. */
  readonly fault?: SimulatedGpuFault | undefined;
}): SimulatedGpuDriver {
  const { platform, random, fault } = options;
  return {
    kind: 'nvidia-gpu',
    assurance: 'simulated',
    async attest(nonce) {
      if (nonce.length !== 32) throw new RangeError('a nonce has 32 octets');
      const recipes = platform.gpus.map((gpu) => ({
        gpu,
        report: {
          nonce,
          responderNonce: random(32),
          measurements: new Map<number, Bytes>([
            [SIMULATED_BLOCK.driver, DIGEST.driver],
            [SIMULATED_BLOCK.vbios, DIGEST.vbios],
          ]),
          fields: new Map<number, Bytes>([
            [GPU_FIELD.vbios, SIMULATED_VBIOS_OCTETS],
            [GPU_FIELD.chipSku, textField(BOARD.chip_sku)],
            [GPU_FIELD.project, textField(BOARD.project)],
            [GPU_FIELD.projectSku, textField(BOARD.project_sku)],
            [GPU_FIELD.driver, textField(SIMULATED_DRIVER)],
            [GPU_FIELD.fwid, platform.fwid],
            [GPU_FIELD.protectedPcie, Uint8Array.of(0x55)],
            [GPU_FIELD.feature, Uint8Array.of(0, 0)],
          ]),
        },
      }));
      return makeGpuEvidence(recipes, platform, fault);
    },
  };
}

/** What a manifest says to accept `count` simulated GPUs: the same expectations as of real ones, met by the simulator's numbers. */
export function simulatedGpuReferenceValue(count: number): GpuReferenceValue {
  return {
    vendor: 'nvidia',
    architecture: 'hopper',
    count,
    evidence: 'report',
    minimum_driver: SIMULATED_DRIVER,
    minimum_vbios: SIMULATED_VBIOS,
    golden_drivers: [
      {
        version: SIMULATED_DRIVER,
        blocks: [{ block: SIMULATED_BLOCK.driver, digests: [toHex(DIGEST.driver)] }],
      },
    ],
    golden_vbioses: [
      {
        version: SIMULATED_VBIOS,
        ...BOARD,
        blocks: [{ block: SIMULATED_BLOCK.vbios, digests: [toHex(DIGEST.vbios)] }],
      },
    ],
    device_ids: 'any',
    revocation: 'unchecked',
  };
}
