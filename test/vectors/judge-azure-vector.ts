// Judges captured evidence of Azure's confidential VMs: the paravisor's report, the vTPM's quote, and the hardware below.

import type { Bytes } from '../../shared/bytes/concat.ts';
import { concat } from '../../shared/bytes/concat.ts';
import { fromHex } from '../../shared/bytes/hex.ts';
import { fromUtf8 } from '../../shared/bytes/utf8.ts';
import { type HclReport, parseHclReport } from '../../shared/evidence/azure-hcl-report.ts';
import { parseTdxQuote } from '../../shared/evidence/tdx-quote.ts';
import { nobleCrypto } from '../../shared/verifier/noble-crypto.ts';
import { PINNED_ROOTS } from '../../shared/verifier/roots/amd.ts';
import { StepLog, StoppedVerification } from '../../shared/verifier/step.ts';
import { type VerifierCrypto, webCrypto } from '../../shared/verifier/verifier-crypto.ts';
import { verifyAzureVtpm, verifyRuntimeData } from '../../shared/verifier/verify-azure-vtpm.ts';
import { verifySnpChain } from '../../shared/verifier/verify-snp-chain.ts';
import { verifySnpReport } from '../../shared/verifier/verify-snp-report.ts';
import { holdsUnder, verifyTdxChain } from '../../shared/verifier/verify-tdx-chain.ts';
import { chainOf, findIssuers } from './judge-snp-vector.ts';
import { anchorsOf } from './trust-anchors.ts';
import type { Check, Judge, Vector } from './vector.ts';

const trust = { roots: PINNED_ROOTS, hardware: true, simulated: [] };
const ANY_TIME = '2026-11-01T00:00:00Z';

/** Judges one VM's evidence with both providers; a capture without a quote as far as it goes. */
export const judgeAzureVector: Judge = async (vector) => {
  const at = new Date(vector.expected.at ?? ANY_TIME);
  const checks: Check[] = [];
  for (const [provider, crypto] of [
    ['WebCrypto', webCrypto],
    ['noble', nobleCrypto],
  ] as const) {
    const log = new StepLog();
    let actual = 'valid';
    try {
      await verify(log, vector, at, crypto);
    } catch (error) {
      if (!(error instanceof StoppedVerification)) throw error;
      actual = 'invalid';
    }
    checks.push({ what: `crypto, ${provider}`, expected: vector.expected.crypto ?? 'valid', actual });
    // A quote of another key is the one thing that a capture has wrong: everything before it holds.
    const wanted = (vector.expected.checks ?? {}) as Record<string, unknown>;
    if (wanted.tpmQuoteSignature === false)
      checks.push({
        what: `stops at, ${provider}`,
        expected: 'azure.quote-signature',
        actual: log.violations[0]?.step ?? 'nothing',
      });
  }
  return checks;
};

async function verify(log: StepLog, vector: Vector, at: Date, crypto: VerifierCrypto): Promise<void> {
  const hcl = parseHclReport(vector.file('hcl-report') ?? new Uint8Array());
  const reportData =
    hcl.tee === 'sev-snp'
      ? await verifySnpBelow(log, vector, hcl, at, crypto)
      : await verifyTdxBelow(log, vector, at, crypto);
  // The TDREPORT in the blob and the quote that a host service made of it are over the same data.
  await verifyRuntimeData(log, hcl, hcl.reportData, crypto);
  const message = vector.file('tpm-quote-message');
  const signature = vector.file('tpm-quote-signature');
  const pcrs = vector.file('pcrs');
  if (!message || !signature || !pcrs) return verifyRuntimeData(log, hcl, reportData, crypto);
  const values = (JSON.parse(fromUtf8(pcrs)) as readonly string[]).map(fromHex);
  await verifyAzureVtpm(log, hcl, reportData, { message, signature, pcrs: values }, crypto);
}

async function verifySnpBelow(
  log: StepLog,
  vector: Vector,
  hcl: HclReport,
  at: Date,
  crypto: VerifierCrypto,
): Promise<Bytes> {
  const certificate = vector.file('vcek') ?? new Uint8Array();
  const issuers = findIssuers(certificate, [...anchorsOf(vector.folder), ...chainOf(vector)]);
  if (!issuers) throw new StoppedVerification('evidence_root_unknown');
  const leaf = { kind: 'vcek', certificate } as const;
  const chain = await verifySnpChain(log, { leaf, ...issuers }, trust, at, crypto);
  return (await verifySnpReport(log, hcl.hardwareReport, chain, crypto)).report.reportData;
}

// No collateral was captured, so this goes as far as the signatures.
async function verifyTdxBelow(
  log: StepLog,
  vector: Vector,
  at: Date,
  crypto: VerifierCrypto,
): Promise<Bytes> {
  const quote = parseTdxQuote(vector.file('td-quote') ?? new Uint8Array());
  const chain = await verifyTdxChain(log, quote.pckChain, trust, at, crypto);
  const key = concat(Uint8Array.of(0x04), quote.attestationKey);
  const holds =
    (await holdsUnder(chain.pck, quote.qeReportSignature, quote.qeReport.signed, crypto)) &&
    (await crypto.verifyEcdsaP256(key, quote.signature, quote.signed));
  if (!holds) throw new StoppedVerification('evidence_quote_signature');
  return quote.report.reportData;
}
