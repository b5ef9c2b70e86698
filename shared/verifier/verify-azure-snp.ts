// An Azure confidential VM on SEV-SNP as a whole: AMD answers for the paravisor's report, the report for the vTPM, the vTPM for the guest.

import type { AzureSnpEvidence } from '../evidence/azure-evidence.ts';
import { parseHclReport } from '../evidence/azure-hcl-report.ts';
import { compare, type StepLog } from './step.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';
import { type GenuineVtpm, verifyAzureVtpm } from './verify-azure-vtpm.ts';
import type { SnpTrust } from './verify-snp-chain.ts';
import { type GenuineSnp, verifySnpEvidence } from './verify-snp-evidence.ts';

/** Evidence that AMD and the paravisor answer for. */
export interface GenuineAzureSnp {
  /** The paravisor's report: its measurement covers Microsoft's firmware, not the guest. */
  readonly snp: GenuineSnp;
  readonly vtpm: GenuineVtpm;
}

/** Verifies evidence cryptographically; stops at the first failure. */
export async function verifyAzureSnp(
  log: StepLog,
  evidence: AzureSnpEvidence,
  trust: SnpTrust,
  now: Date,
  crypto: VerifierCrypto,
): Promise<GenuineAzureSnp> {
  const hcl = await log.must('azure.hcl-form', 'The paravisor’s report has a known form', () => {
    const value = parseHclReport(evidence.hcl);
    return {
      ...compare(value.tee === 'sev-snp', 'evidence_kind_unsupported', 'sev-snp', value.tee),
      value,
    };
  });
  const { ask, ark, crl } = evidence;
  const snp = await verifySnpEvidence(
    log,
    {
      kind: 'sev-snp',
      report: hcl.hardwareReport,
      leaf: { kind: 'vcek', certificate: evidence.vcek },
      ask,
      ark,
      crl,
    },
    trust,
    now,
    crypto,
  );
  const vtpm = await verifyAzureVtpm(log, hcl, snp.report.reportData, evidence.quote, crypto);
  return { snp, vtpm };
}
