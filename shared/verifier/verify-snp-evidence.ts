// SEV-SNP evidence as a whole: chain, revocation, report. What it yields is genuine; whether it is wanted is policy.

import type { SnpEvidence } from '../evidence/bundle.ts';
import type { StepLog } from './step.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';
import { type SnpChain, type SnpTrust, verifySnpChain } from './verify-snp-chain.ts';
import { type GenuineReport, verifySnpReport } from './verify-snp-report.ts';
import { verifySnpRevocation } from './verify-snp-revocation.ts';

/** Evidence that AMD, or a simulator that the policy names, answers for. */
export interface GenuineSnp extends GenuineReport {
  readonly chain: SnpChain;
  /** When the first of its certificates or its revocation list ends. */
  readonly notAfter: Date;
}

/** Verifies evidence cryptographically; stops at the first failure. */
export async function verifySnpEvidence(
  log: StepLog,
  evidence: SnpEvidence,
  trust: SnpTrust,
  now: Date,
  crypto: VerifierCrypto,
): Promise<GenuineSnp> {
  const chain = await verifySnpChain(log, evidence, trust, now, crypto);
  const list = await verifySnpRevocation(log, evidence.crl, chain, now, crypto);
  const genuine = await verifySnpReport(log, evidence.report, chain, crypto);
  const ends = [chain.leaf.notAfter, chain.ask.notAfter, chain.ark.notAfter, list.nextUpdate];
  return { ...genuine, chain, notAfter: new Date(Math.min(...ends.map((end) => end.getTime()))) };
}
