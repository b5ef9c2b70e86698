// Azure's vTPM behind a hardware report: the report names the attestation key by hash, and that key signed the quote over the registers.

import { type Bytes, concat } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import { toHex } from '../bytes/hex.ts';
import type { VtpmQuote } from '../evidence/azure-evidence.ts';
import type { RuntimeData } from '../evidence/azure-hcl-report.ts';
import { parseTpmQuote, type TpmQuote } from '../evidence/tpm-quote.ts';
import { compare, type StepLog } from './step.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';

/** A quote that the vTPM of this VM answers for. */
export interface GenuineVtpm {
  readonly vm: RuntimeData['vm'];
  readonly quote: TpmQuote;
  /** Values of the quoted registers by number, lower-case hex. */
  readonly pcrs: ReadonlyMap<number, string>;
}

/**
 * Takes the steps `azure.runtime-data`, `azure.quote-form`, `azure.quote-signature`, `azure.pcrs`; stops at the first failure.
 * `reportData`: REPORT_DATA of evidence that has been verified. Freshness is only in the quote: without one, the report proves
 * that such a VM once booted.
 */
export async function verifyAzureVtpm(
  log: StepLog,
  hcl: RuntimeData,
  reportData: Bytes,
  evidence: VtpmQuote,
  crypto: VerifierCrypto,
): Promise<GenuineVtpm> {
  // Registers are read after their digest was awaited.
  const values = evidence.pcrs.map((value) => concat(value));
  await verifyRuntimeData(log, hcl, reportData, crypto);
  const quote = await log.must('azure.quote-form', 'The vTPM’s quote has a known form', () => {
    const value = parseTpmQuote(evidence.message);
    return { result: 'pass', actual: `${value.selected.length} registers`, value };
  });
  await log.must('azure.quote-signature', 'This VM’s vTPM signed the quote', async () => {
    const holds = await crypto.verifyRsaPkcs1(hcl.attestationKey, evidence.signature, quote.signed);
    return compare(
      holds,
      'evidence_tpm_quote_signature',
      'RSASSA-PKCS1-v1_5 with SHA-256',
      holds ? 'it holds' : 'it does not hold',
    );
  });
  const pcrs = await log.must('azure.pcrs', 'The registers are the ones that were quoted', async () => {
    const digest = await crypto.digest('SHA-256', concat(...values));
    const holds = values.length === quote.selected.length && equalBytes(digest, quote.pcrDigest);
    const finding = compare(holds, 'evidence_pcr_digest', toHex(quote.pcrDigest), toHex(digest));
    if (!holds) return finding;
    const value = new Map(quote.selected.map((number, index) => [number, toHex(values[index] as Bytes)]));
    return { ...finding, value };
  });
  return { vm: hcl.vm, quote, pcrs };
}

/** Takes the step `azure.runtime-data`: the JSON with the attestation key is the one that the hardware report is over. */
export async function verifyRuntimeData(
  log: StepLog,
  hcl: Pick<RuntimeData, 'runtimeData'>,
  reportData: Bytes,
  crypto: VerifierCrypto,
): Promise<void> {
  await log.must('azure.runtime-data', 'The report was made for this vTPM', async () => {
    const expected = concat(await crypto.digest('SHA-256', hcl.runtimeData), new Uint8Array(32));
    return compare(
      equalBytes(reportData, expected),
      'evidence_runtime_data',
      toHex(expected),
      toHex(reportData),
    );
  });
}
