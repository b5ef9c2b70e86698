// Judges captured TDX quotes with their collateral, alone and as the CPU's part of a bundle.

import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import { fromHex, toHex } from '../../shared/bytes/hex.ts';
import { fromUtf8 } from '../../shared/bytes/utf8.ts';
import { EvidenceError } from '../../shared/evidence/evidence-error.ts';
import type { TdxReferenceValue } from '../../shared/manifest/tdx-reference-value.ts';
import { judgeTdx } from '../../shared/verifier/judge-tdx.ts';
import { nobleCrypto } from '../../shared/verifier/noble-crypto.ts';
import { PINNED_ROOTS } from '../../shared/verifier/roots/amd.ts';
import { StepLog, StoppedVerification } from '../../shared/verifier/step.ts';
import { type VerifierCrypto, webCrypto } from '../../shared/verifier/verifier-crypto.ts';
import { type GenuineTdx, verifyTdxEvidence } from '../../shared/verifier/verify-tdx-evidence.ts';
import { compareOutcome, type Outcome } from './judge-snp-vector.ts';
import { IncompleteCapture, readTdxCapture } from './tdx-capture.ts';
import type { Check, ExpectedOutcome, Judge, Vector } from './vector.ts';

/** What must come out of a quote at one time, with Intel's opinion. */
interface ExpectedTdx extends ExpectedOutcome {
  readonly problems?: readonly string[];
  readonly tcbStatus?: string;
  /** Index, status, date, advisories of the platform's level. */
  readonly tdxTcbLevel?: readonly [number, string, string, readonly string[]] | null;
  readonly tdxModuleStatus?: string | null;
  readonly qeStatus?: string;
}

interface TdxOutcome extends Outcome {
  readonly stoppedAt: string | undefined;
  readonly genuine: GenuineTdx | undefined;
}

const trust = { roots: PINNED_ROOTS, hardware: true };
const PROVIDERS: readonly (readonly [string, VerifierCrypto])[] = [
  ['WebCrypto', webCrypto],
  ['noble', nobleCrypto],
];
// Where a verification stops for the first of the problems that a vector names.
const STEP: Readonly<Record<string, string>> = {
  rootcrl: 'tdx.root-crl-validity',
  pckcrl: 'tdx.pck-crl-validity',
  tcbinfo: 'tdx.tcb-info-validity',
  qeid: 'tdx.qe-identity-validity',
};

/** Only what the policy of the vectors asks for; the guest itself is taken as it comes. */
export function vectorTdxPolicy(mrtd: string): TdxReferenceValue {
  return {
    tee: 'tdx',
    mrtd: [mrtd],
    rtmr0: 'any',
    rtmr1: 'any',
    rtmr2: 'any',
    rtmr3: 'any',
    mrconfigid: 'any',
    mrowner: 'any',
    mrownerconfig: 'any',
    xfam: 'any',
    attributes: {
      debug: false,
      migratable: false,
      sept_ve_disable: 'required',
      pks: 'any',
      key_locker: 'any',
      perfmon: 'any',
    },
    service_td: 'none',
    mrseam: 'any',
    tcb_statuses: ['UpToDate'],
    minimum_tcb_evaluation_data_number: 0,
    ppids: 'any',
    gpu: 'none',
  };
}

/** Judges a quote at each time that is given, with both providers. */
export const judgeTdxVector: Judge = async (vector) => {
  const { expected } = vector;
  const times = (expected.tcb as readonly ExpectedTdx[] | undefined) ?? [expected];
  const checks: Check[] = [];
  for (const [provider, crypto] of PROVIDERS)
    for (const one of times) {
      const outcome = await verify(vector, new Date(one.at ?? expected.at ?? 0), crypto);
      checks.push(...compareTdx(`${provider}, ${one.at ?? expected.at}`, one, outcome));
    }
  return checks;
};

/** Judges the CPU's part of a bundle: the quote, Intel's opinion, and what the quote was made for. */
export const judgeBundleTdx: Judge = async (vector) => {
  if (!vector.file('quote')) return [];
  const { expected } = vector;
  const wanted = (expected.checks ?? {}) as Record<string, unknown>;
  const checks: Check[] = [];
  for (const [provider, crypto] of PROVIDERS) {
    const where = `${provider}, ${expected.at}`;
    const { genuine, crypto: result } = await verify(vector, new Date(expected.at ?? 0), crypto);
    if (wanted.tdxCrypto !== undefined)
      checks.push({
        what: `quote, ${where}`,
        expected: wanted.tdxCrypto === true ? 'valid' : 'invalid',
        actual: result,
      });
    if (typeof wanted.tdxTcbStatus === 'string')
      checks.push({
        what: `TCB, ${where}`,
        expected: wanted.tdxTcbStatus,
        actual: genuine?.tcb.status ?? 'none',
      });
    if (wanted.reportDataIsHashOfKeysNonceAndGpuHash !== undefined)
      checks.push({
        what: `report data is the hash of keys, nonce and GPU evidence, ${where}`,
        expected: String(wanted.reportDataIsHashOfKeysNonceAndGpuHash),
        actual: String(
          genuine !== undefined && (await isMadeFor(genuine, vector.file('attestation-document'))),
        ),
      });
  }
  return checks;
};

// Tinfoil, attestation v3: SHA-256 over four values of 32 octets, then zeros.
async function isMadeFor(genuine: GenuineTdx, document: Bytes | undefined): Promise<boolean> {
  if (!document) return false;
  const { report_data: given } = JSON.parse(fromUtf8(document)) as {
    readonly report_data: Record<string, string>;
  };
  const parts = ['tls_key_fp', 'hpke_key', 'nonce', 'gpu_evidence_hash'].map((name) =>
    fromHex(given[name] ?? ''),
  );
  if (parts.some(({ length }) => length !== 32)) return false;
  const digest = await webCrypto.digest('SHA-256', concat(...parts));
  return toHex(concat(digest, new Uint8Array(32))) === toHex(genuine.quote.report.reportData);
}

async function verify(vector: Vector, at: Date, crypto: VerifierCrypto): Promise<TdxOutcome> {
  const log = new StepLog();
  let genuine: GenuineTdx;
  try {
    const evidence = readTdxCapture(vector.file('quote'), vector.file('collateral'));
    genuine = await verifyTdxEvidence(log, evidence, trust, at, crypto);
  } catch (error) {
    if (
      !(
        error instanceof StoppedVerification ||
        error instanceof EvidenceError ||
        error instanceof IncompleteCapture ||
        error instanceof SyntaxError
      )
    )
      throw error;
    const stoppedAt = log.violations[0]?.step;
    return { crypto: 'invalid', defaultPolicy: 'reject', reasons: [], stoppedAt, genuine: undefined };
  }
  judgeTdx(log, genuine, vectorTdxPolicy(toHex(genuine.quote.report.mrTd)));
  const reason: Readonly<Record<string, string>> = {
    policy_debug: 'debug',
    policy_sept_ve_disable: 'sept-ve-disable-not-set',
    policy_migration: 'mrservicetd-not-zero',
    policy_tcb_not_supported: 'tcb:NotSupported',
    policy_tcb_status: `tcb:${genuine.tcb.status}`,
  };
  return {
    crypto: 'valid',
    defaultPolicy: log.violations.length === 0 ? 'accept' : 'reject',
    reasons: log.violations.flatMap(({ code }) => reason[code] ?? []),
    stoppedAt: undefined,
    genuine,
  };
}

function compareTdx(where: string, expected: ExpectedTdx, outcome: TdxOutcome): readonly Check[] {
  const checks = [...compareOutcome(where, expected, outcome)];
  const { genuine, stoppedAt } = outcome;
  const check = (what: string, wanted: unknown, actual: unknown): void => {
    checks.push({
      what: `${what}, ${where}`,
      expected: JSON.stringify(wanted),
      actual: JSON.stringify(actual),
    });
  };
  if (!genuine) {
    const step = STEP[expected.problems?.[0]?.split(':')[0] ?? ''];
    if (step) check('stops at', step, stoppedAt);
    return checks;
  }
  const { status, platform, module, qe } = genuine.tcb;
  if (expected.tcbStatus !== undefined) check('status', expected.tcbStatus, status);
  if (expected.tdxTcbLevel !== undefined) {
    const level = platform && [
      platform.index,
      platform.level.tcbStatus,
      platform.level.tcbDate.toISOString().replace('.000', ''),
      platform.level.advisoryIDs ?? [],
    ];
    check('level', expected.tdxTcbLevel, level ?? null);
  }
  if (expected.tdxModuleStatus !== undefined) check('module', expected.tdxModuleStatus, module ?? null);
  if (expected.qeStatus !== undefined) check('quoting enclave', expected.qeStatus, qe);
  return checks;
}
