// The faults that simulated GPUs can play, by name: each is an attack or a mistake, and says which refusal it must meet.

import { generateKeyPairSync } from 'node:crypto';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import type { NvidiaGpuEvidence } from '../../../shared/evidence/bundle.ts';
import { makeGpuChain, type SimulatedGpu, type SimulatedGpus, simulatedDigest } from './gpu-platform.ts';
import { GPU_FIELD, type GpuReportRecipe, textField, writeGpuReport } from './write-gpu-report.ts';

/** What one GPU's evidence is made from. */
export interface GpuRecipe {
  readonly gpu: SimulatedGpu;
  readonly report: GpuReportRecipe;
}

interface GpuFault {
  /** One plain line for people. */
  readonly title: string;
  /** The verification code that must come first. */
  readonly refusedWith: string;
  readonly bend: (recipes: readonly GpuRecipe[], platform: SimulatedGpus) => readonly GpuRecipe[];
}

const each = (
  recipes: readonly GpuRecipe[],
  change: (report: GpuReportRecipe) => Partial<GpuReportRecipe>,
): readonly GpuRecipe[] =>
  recipes.map(({ gpu, report }) => ({ gpu, report: { ...report, ...change(report) } }));
const withField = (type: number, value: Bytes) => (report: GpuReportRecipe) => ({
  fields: new Map([...report.fields, [type, value]]),
});
const withMeasurement = (block: number, value: Bytes) => (report: GpuReportRecipe) => ({
  measurements: new Map([...report.measurements, [block, value]]),
});

/** The block that the driver fills, and the one that the VBIOS fills. */
export const SIMULATED_BLOCK = { driver: 8, vbios: 1 } as const;
export const SIMULATED_DRIVER = '590.12';
/** `96.00.CF.00.01` as a report carries it. */
export const SIMULATED_VBIOS_OCTETS: Bytes = Uint8Array.of(0x00, 0xcf, 0x00, 0x96, 0x01, 0, 0, 0);

/** Every fault. */
export const SIMULATED_GPU_FAULTS = {
  'gpu-missing': {
    title: 'the manifest wants a GPU and the node shows none',
    refusedWith: 'policy_gpu_absent',
    bend: () => [],
  },
  'gpu-twice': {
    title: 'one GPU is shown as if it were two',
    refusedWith: 'policy_gpu_count',
    bend: (recipes) => [...recipes, ...recipes],
  },
  'gpu-replayed': {
    title: 'the GPU answered another question, perhaps of another machine or time',
    refusedWith: 'evidence_gpu_nonce',
    bend: (recipes) => each(recipes, ({ nonce }) => ({ nonce: nonce.map((octet) => octet ^ 0xff) })),
  },
  'gpu-other-firmware': {
    title: 'the report comes from other firmware than the certificate was made for',
    refusedWith: 'evidence_gpu_fwid',
    bend: (recipes) => each(recipes, withField(GPU_FIELD.fwid, simulatedDigest('other firmware'))),
  },
  'gpu-forged-report': {
    title: 'a key that is not the GPU’s signed the report',
    refusedWith: 'evidence_report_signature',
    bend: (recipes) =>
      recipes.map(({ gpu, report }) => ({
        gpu: { ...gpu, key: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey },
        report,
      })),
  },
  'gpu-forged-chain': {
    title: 'the device identity did not sign the GPU’s certificate',
    refusedWith: 'evidence_chain_signature',
    bend: (recipes, platform) =>
      recipes.map(({ gpu, report }) => ({
        gpu: {
          ...gpu,
          chain: makeGpuChain(platform.authorities, {
            key: gpu.key,
            serial: Number(gpu.ueid),
            fwid: platform.fwid,
            signer: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
          }),
        },
        report,
      })),
  },
  'gpu-foreign-root': {
    title: 'a whole GPU under a root that nobody trusts',
    refusedWith: 'evidence_root_unknown',
    bend: (recipes, platform) => {
      const [device, provisioner, architecture] = platform.authorities;
      const root = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
      return recipes.map(({ gpu, report }) => ({
        gpu: {
          ...gpu,
          chain: makeGpuChain([device, provisioner, architecture, root], {
            key: gpu.key,
            serial: Number(gpu.ueid),
            fwid: platform.fwid,
          }),
        },
        report,
      }));
    },
  },
  'gpu-old-driver': {
    title: 'the GPU runs a driver with known holes',
    refusedWith: 'policy_gpu_driver',
    bend: (recipes) => each(recipes, withField(GPU_FIELD.driver, textField('535.86.09'))),
  },
  'gpu-patched-driver': {
    title: 'the GPU measured other driver code than NVIDIA signed, as one in developer mode does',
    refusedWith: 'policy_gpu_measurements',
    bend: (recipes) => each(recipes, withMeasurement(SIMULATED_BLOCK.driver, simulatedDigest('patched'))),
  },
  'gpu-protected-pcie': {
    title: 'the GPU is one of a board whose switches are not shown',
    refusedWith: 'policy_gpu_protected_pcie',
    bend: (recipes) => each(recipes, withField(GPU_FIELD.protectedPcie, Uint8Array.of(0xaa))),
  },
} as const satisfies Record<string, GpuFault>;

/** Name of a fault. */
export type SimulatedGpuFault = keyof typeof SIMULATED_GPU_FAULTS;

/** Whether a word names a fault of GPUs. */
export function isSimulatedGpuFault(word: string): word is SimulatedGpuFault {
  return Object.hasOwn(SIMULATED_GPU_FAULTS, word);
}

/** The evidence of recipes, bent by a fault where one is named. */
export function makeGpuEvidence(
  recipes: readonly GpuRecipe[],
  platform: SimulatedGpus,
  fault: SimulatedGpuFault | undefined,
): readonly NvidiaGpuEvidence[] {
  const bent =
    fault === undefined ? recipes : (SIMULATED_GPU_FAULTS[fault] as GpuFault).bend(recipes, platform);
  return bent.map(({ gpu, report }) => ({
    kind: 'nvidia-gpu',
    report: writeGpuReport(report, gpu.key),
    chain: gpu.chain,
  }));
}
