// Who judges which kind of vector. A kind may have several judges; a kind without any is reported as skipped.

import { judgeAzureVector } from './judge-azure-vector.ts';
import { judgeBundleNras, judgeNrasVector } from './judge-nras-vector.ts';
import { judgeBundleGpu, judgeNvidiaVector, judgeNvswitchVector } from './judge-nvidia-vector.ts';
import { judgeAmdCrlVector, judgeSnpVector } from './judge-snp-vector.ts';
import { judgeBundleTdx, judgeTdxVector } from './judge-tdx-vector.ts';
import { judgeTrustAnchors } from './trust-anchors.ts';
import type { Check, Judge, Vector } from './vector.ts';

/** Judges by the vector's `kind`. */
export const JUDGES: Readonly<Record<string, readonly Judge[]>> = {
  'trust-anchors': [judgeTrustAnchors],
  'sev-snp-report': [judgeSnpVector],
  'amd-crl': [judgeAmdCrlVector],
  'tdx-quote': [judgeTdxVector],
  'cpu-gpu-bundle': [judgeBundleTdx, judgeBundleGpu, judgeBundleNras],
  'nvidia-gpu-report': [judgeNvidiaVector],
  'nvidia-nvswitch-report': [judgeNvswitchVector],
  'nvidia-nras-eat': [judgeNrasVector],
  'azure-vtpm-hcl': [judgeAzureVector],
};

/** How a vector came out. `skipped`: nobody judges its kind, or it expects nothing that is judged here. */
export interface Verdict {
  readonly result: 'passed' | 'failed' | 'skipped';
  readonly checks: readonly Check[];
  readonly wrong: readonly Check[];
}

/** Judges one vector; `judges` are those of the runtime. */
export async function judgeVector(vector: Vector, judges = JUDGES): Promise<Verdict> {
  const checks: Check[] = [];
  for (const judge of Object.hasOwn(judges, vector.kind) ? (judges[vector.kind] ?? []) : [])
    checks.push(...(await judge(vector)));
  const wrong = checks.filter(({ expected, actual }) => expected !== actual);
  return {
    result: checks.length === 0 ? 'skipped' : wrong.length === 0 ? 'passed' : 'failed',
    checks,
    wrong,
  };
}
