// The report against its chain: same kind of key, same product, same firmware, same chip, and the signature itself.

import type { Bytes } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import { toHex } from '../bytes/hex.ts';
import { parseSnpReport, productOf, readTcbs, type SnpReport } from '../evidence/snp-report.ts';
import { describeTcb, type Tcb, tcbEqual } from '../evidence/tcb.ts';
import { compare, type Finding, type StepLog, skipped } from './step.ts';
import type { EvidenceCode } from './verification-error.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';
import type { SnpChain } from './verify-snp-chain.ts';

/** A report whose every octet the chip answers for. */
export interface GenuineReport {
  readonly report: SnpReport;
  readonly tcbs: {
    readonly current: Tcb;
    readonly reported: Tcb;
    readonly committed: Tcb;
    readonly launch: Tcb;
  };
  /** The host hid the chip id, so that report and certificate could not be compared by it. */
  readonly chipMasked: boolean;
}

/**
 * Takes the steps `snp.report-form`, `snp.signing-key`, `snp.product`, `snp.tcb`, `snp.chip`, `snp.report-signature`;
 * stops at the first failure.
 */
export async function verifySnpReport(
  log: StepLog,
  octets: Bytes,
  chain: SnpChain,
  crypto: VerifierCrypto,
): Promise<GenuineReport> {
  const { extensions, leaf, product } = chain;
  const report = await log.must('snp.report-form', 'The report has a known form', () => {
    const value = parseSnpReport(octets);
    return { result: 'pass', expected: 'version 2 to 5', actual: `version ${value.version}`, value };
  });
  await log.must('snp.signing-key', 'The report was signed by the kind of key that was sent', () =>
    compare(
      report.signingKey === extensions.holder.kind,
      'evidence_signing_key_kind',
      extensions.holder.kind,
      report.signingKey,
    ),
  );
  await log.must('snp.product', 'Processor, certificate and root are of one product', () =>
    checkProduct(report, chain),
  );
  const tcbs = await log.must('snp.tcb', 'The key belongs to the firmware that the report names', () => {
    const value = readTcbs(report, product);
    return {
      ...compare(
        tcbEqual(value.reported, extensions.tcb),
        'evidence_tcb_mismatch',
        describeTcb(extensions.tcb),
        describeTcb(value.reported),
      ),
      value,
    };
  });
  const chipMasked = report.chipId.every((octet) => octet === 0);
  await log.must('snp.chip', 'Report and certificate are of one chip', () =>
    checkChip(report, chain, chipMasked),
  );
  await log.must('snp.report-signature', 'The chip’s key signed the report', async () => {
    const key = leaf.publicKey;
    const holds =
      key.kind === 'p384' && (await crypto.verifyEcdsaP384(key.point, report.signature, report.signed));
    return holds
      ? { result: 'pass', expected: 'ECDSA P-384 with SHA-384' }
      : {
          result: 'fail',
          code: 'evidence_report_signature',
          expected: 'ECDSA P-384 with SHA-384',
          actual: 'it does not hold',
        };
  });
  return { report, tcbs, chipMasked };
}

function checkProduct(report: SnpReport, { extensions, product }: SnpChain): Finding<EvidenceCode> {
  // Version 2 names no CPU. It is read as Milan or Genoa, which share a TCB layout, and never as Turin.
  const named = report.cpu ? (productOf(report.cpu) ?? 'an unknown processor') : 'no processor';
  const fits = report.cpu ? named === product : product !== 'Turin';
  const structFits = extensions.structVersion === (product === 'Turin' ? 1 : 0);
  return compare(
    fits && structFits,
    'evidence_product_mismatch',
    product,
    `${named}, certificate structure ${extensions.structVersion}`,
  );
}

function checkChip(report: SnpReport, { extensions }: SnpChain, masked: boolean): Finding<EvidenceCode> {
  if (extensions.holder.kind === 'vlek')
    return masked
      ? skipped('a provider’s key names no chip')
      : compare(false, 'evidence_chip_mismatch', 'no chip id under a provider’s key', toHex(report.chipId));
  if (masked) return skipped('the host hides the chip id');
  const { hwId } = extensions.holder;
  const expected = new Uint8Array(64);
  expected.set(hwId);
  return compare(
    equalBytes(report.chipId, expected),
    'evidence_chip_mismatch',
    toHex(hwId),
    toHex(report.chipId),
  );
}
