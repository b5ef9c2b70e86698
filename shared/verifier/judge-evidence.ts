// A genuine CPU against one set of expectations for its kind.

import type { GpuReferenceValue } from '../manifest/gpu-reference-value.ts';
import type { ReferenceValue } from '../manifest/manifest.ts';
import { judgeAzureVtpm } from './judge-azure-vtpm.ts';
import { judgeSnp } from './judge-snp.ts';
import { judgeTdx } from './judge-tdx.ts';
import type { StepLog } from './step.ts';
import type { GenuineEvidence } from './verify-evidence.ts';

/** Takes the `policy.*` steps that the CPU's evidence can show. */
export function judgeEvidence(
  log: StepLog,
  genuine: GenuineEvidence,
  wanted: ReferenceValue,
  acceptMilan: boolean,
): void {
  if (genuine.kind === 'sev-snp' && wanted.tee === 'sev-snp') judgeSnp(log, genuine.snp, wanted, acceptMilan);
  else if (genuine.kind === 'azure-sev-snp' && wanted.tee === 'azure-sev-snp') {
    judgeSnp(log, genuine.azure.snp, wanted.report, acceptMilan);
    judgeAzureVtpm(log, genuine.azure.vtpm, wanted);
  } else if (genuine.kind === 'azure-tdx' && wanted.tee === 'azure-tdx') {
    judgeTdx(log, genuine.azure.tdx, wanted.td);
    judgeAzureVtpm(log, genuine.azure.vtpm, wanted);
  } else if (genuine.kind === 'tdx' && wanted.tee === 'tdx') judgeTdx(log, genuine.tdx, wanted);
  else
    log.judge('policy.tee', 'The processor is of the kind that the manifest names', () => ({
      result: 'fail',
      code: 'policy_tee',
      expected: wanted.tee,
      actual: genuine.kind,
    }));
}

/** What a set of expectations wants of GPUs. */
export function gpuWantedBy(wanted: ReferenceValue): 'none' | GpuReferenceValue {
  if (wanted.tee === 'azure-sev-snp') return wanted.report.gpu;
  return wanted.tee === 'azure-tdx' ? wanted.td.gpu : wanted.gpu;
}
