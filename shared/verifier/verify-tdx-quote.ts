// The quote against its chain and collateral: QE report, attestation key, quote signature, TDX module.

import { type Bytes, concat } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import { toHex } from '../bytes/hex.ts';
import type { QeIdentity } from '../evidence/qe-identity.ts';
import type { TcbInfo } from '../evidence/tcb-info.ts';
import type { QeReport, TdxQuote } from '../evidence/tdx-quote.ts';
import { moduleFor } from './rate-tdx-tcb.ts';
import { compare, type Finding, type StepLog } from './step.ts';
import type { EvidenceCode } from './verification-error.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';
import { holdsUnder, type TdxChain } from './verify-tdx-chain.ts';

/**
 * Takes the steps `tdx.qe-report-signature`, `tdx.qe-binding`, `tdx.qe-identity`, `tdx.quote-signature`, `tdx.module`; stops
 * at the first failure. Afterwards every signed octet of the quote is one that Intel's hardware answers for.
 */
export async function verifyTdxQuote(
  log: StepLog,
  quote: TdxQuote & { readonly attestationPoint: Bytes },
  chain: TdxChain,
  collateral: { readonly tcbInfo: TcbInfo; readonly qeIdentity: QeIdentity },
  crypto: VerifierCrypto,
): Promise<void> {
  const { qeReport } = quote;
  const binding = crypto.digest('SHA-256', concat(quote.attestationKey, quote.authenticationData));
  binding.catch(() => undefined);
  await log.must(
    'tdx.qe-report-signature',
    'The platform’s key signed the quoting enclave’s report',
    async () =>
      signed(
        await holdsUnder(chain.pck, quote.qeReportSignature, qeReport.signed, crypto),
        'evidence_qe_report_signature',
      ),
  );
  await log.must('tdx.qe-binding', 'The quoting enclave’s report names the attestation key', async () => {
    const expected = concat(await binding, new Uint8Array(32));
    return compare(
      equalBytes(expected, qeReport.reportData),
      'evidence_qe_binding',
      toHex(expected),
      toHex(qeReport.reportData),
    );
  });
  await log.must('tdx.qe-identity', 'The quoting enclave is Intel’s', () =>
    checkQe(qeReport, collateral.qeIdentity),
  );
  await log.must('tdx.quote-signature', 'The attestation key signed the quote', async () =>
    signed(
      await crypto.verifyEcdsaP256(quote.attestationPoint, quote.signature, quote.signed),
      'evidence_quote_signature',
    ),
  );
  await log.must('tdx.module', 'The TDX module is Intel’s', () => {
    const { report } = quote;
    const found = moduleFor(collateral.tcbInfo, report.teeTcbSvn);
    if (found === undefined)
      return {
        result: 'fail',
        code: 'evidence_tdx_module',
        expected: 'a module that Intel lists',
        actual: `major version ${report.teeTcbSvn[1]}`,
      };
    const { module } = found;
    return compare(
      equalBytes(report.mrSignerSeam, module.mrsigner) &&
        equalBytes(masked(report.seamAttributes, module.attributesMask), module.attributes),
      'evidence_tdx_module',
      `signer ${toHex(module.mrsigner)}, attributes ${toHex(module.attributes)}`,
      `signer ${toHex(report.mrSignerSeam)}, attributes ${toHex(report.seamAttributes)}`,
    );
  });
}

function signed(holds: boolean, code: EvidenceCode): Finding<EvidenceCode> {
  const expected = 'ECDSA P-256 with SHA-256';
  return holds
    ? { result: 'pass', expected }
    : { result: 'fail', code, expected, actual: 'it does not hold' };
}

function checkQe(qe: QeReport, identity: QeIdentity): Finding<EvidenceCode> {
  const rules: readonly (readonly [string, boolean])[] = [
    ['signer of the enclave', equalBytes(qe.mrSigner, identity.mrsigner)],
    ['product id', qe.isvProdId === identity.isvprodid],
    [
      'MISCSELECT under its mask',
      equalBytes(masked(qe.miscSelect, identity.miscselectMask), identity.miscselect),
    ],
    [
      'ATTRIBUTES under their mask',
      equalBytes(masked(qe.attributes, identity.attributesMask), identity.attributes),
    ],
  ];
  const broken = rules.find(([, holds]) => !holds);
  return broken
    ? { result: 'fail', code: 'evidence_qe_identity', expected: broken[0], actual: 'another' }
    : { result: 'pass', expected: `signer ${toHex(identity.mrsigner)}`, actual: `version ${qe.isvSvn}` };
}

function masked(value: Bytes, mask: Bytes): Bytes {
  return value.map((octet, index) => octet & (mask[index] as number));
}
