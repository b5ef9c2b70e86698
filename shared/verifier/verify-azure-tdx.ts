// An Azure confidential VM on TDX as a whole: Intel answers for the paravisor's quote, the quote for the vTPM, the vTPM for the guest.

import type { AzureTdxEvidence } from '../evidence/azure-evidence.ts';
import { parseRuntimeData } from '../evidence/azure-hcl-report.ts';
import type { StepLog } from './step.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';
import { type GenuineVtpm, verifyAzureVtpm } from './verify-azure-vtpm.ts';
import type { TdxTrust } from './verify-tdx-chain.ts';
import { type GenuineTdx, verifyTdxEvidence } from './verify-tdx-evidence.ts';

/** Evidence that Intel and the paravisor answer for. */
export interface GenuineAzureTdx {
  /** The paravisor's quote: its measurements cover Microsoft's firmware, not the guest. */
  readonly tdx: GenuineTdx;
  readonly vtpm: GenuineVtpm;
}

/** Verifies evidence cryptographically; stops at the first failure. */
export async function verifyAzureTdx(
  log: StepLog,
  evidence: AzureTdxEvidence,
  trust: TdxTrust,
  now: Date,
  crypto: VerifierCrypto,
): Promise<GenuineAzureTdx> {
  const runtime = await log.must('azure.hcl-form', 'What the paravisor says has a known form', () => ({
    result: 'pass',
    value: parseRuntimeData(evidence.runtimeData),
  }));
  const tdx = await verifyTdxEvidence(log, evidence.td, trust, now, crypto);
  const { reportData } = tdx.quote.report;
  return { tdx, vtpm: await verifyAzureVtpm(log, runtime, reportData, evidence.quote, crypto) };
}
