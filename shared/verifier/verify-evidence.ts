// Evidence of one CPU of whatever kind: verified by its vendor's rules, and what all kinds have in common taken out.

import type { Bytes } from '../bytes/concat.ts';
import type { Evidence } from '../evidence/bundle.ts';
import type { StepLog } from './step.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';
import type { GenuineAzureSnp } from './verify-azure-snp.ts';
import type { GenuineAzureTdx } from './verify-azure-tdx.ts';
import type { SnpTrust } from './verify-snp-chain.ts';
import { type GenuineSnp, verifySnpEvidence } from './verify-snp-evidence.ts';
import type { GenuineTdx } from './verify-tdx-evidence.ts';

interface Common {
  readonly assurance: 'hardware' | 'simulated';
  /** What the guest chose: 64 octets of report_data, or 32 of extraData where a vTPM speaks for it. */
  readonly chosen: Bytes;
  /** When the first of what endorses it ends. */
  readonly notAfter: Date;
}

/** Evidence that a vendor answers for. */
export type GenuineEvidence =
  | (Common & { readonly kind: 'sev-snp'; readonly snp: GenuineSnp })
  | (Common & { readonly kind: 'azure-sev-snp'; readonly azure: GenuineAzureSnp })
  | (Common & { readonly kind: 'azure-tdx'; readonly azure: GenuineAzureTdx })
  | (Common & { readonly kind: 'tdx'; readonly tdx: GenuineTdx });

/**
 * Verifies evidence cryptographically; stops at the first failure. The rules of every vendor but AMD are loaded with the first evidence
 * of its kind, so that a browser does not carry what it never meets.
 */
export async function verifyEvidence(
  log: StepLog,
  evidence: Evidence,
  trust: SnpTrust,
  now: Date,
  crypto: VerifierCrypto,
): Promise<GenuineEvidence> {
  if (evidence.kind === 'tdx') {
    const { verifyTdxEvidence } = await import('./verify-tdx-evidence.ts');
    const tdx = await verifyTdxEvidence(log, evidence, trust, now, crypto);
    const chosen = tdx.quote.report.reportData;
    return { kind: 'tdx', tdx, assurance: 'hardware', chosen, notAfter: tdx.notAfter };
  }
  if (evidence.kind === 'azure-tdx') {
    const { verifyAzureTdx } = await import('./verify-azure-tdx.ts');
    const azure = await verifyAzureTdx(log, evidence, trust, now, crypto);
    const chosen = azure.vtpm.quote.extraData;
    return { kind: 'azure-tdx', azure, assurance: 'hardware', chosen, notAfter: azure.tdx.notAfter };
  }
  if (evidence.kind === 'azure-sev-snp') {
    const { verifyAzureSnp } = await import('./verify-azure-snp.ts');
    const azure = await verifyAzureSnp(log, evidence, trust, now, crypto);
    const { chain, notAfter } = azure.snp;
    const chosen = azure.vtpm.quote.extraData;
    return { kind: 'azure-sev-snp', azure, assurance: chain.assurance, chosen, notAfter };
  }
  const snp = await verifySnpEvidence(log, evidence, trust, now, crypto);
  const { assurance } = snp.chain;
  return { kind: 'sev-snp', snp, assurance, chosen: snp.report.reportData, notAfter: snp.notAfter };
}
