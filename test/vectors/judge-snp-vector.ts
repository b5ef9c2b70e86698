// Judges captured SEV-SNP reports and AMD's captured revocation lists.

import type { Bytes } from '../../shared/bytes/concat.ts';
import { equalBytes } from '../../shared/bytes/equal.ts';
import { toHex } from '../../shared/bytes/hex.ts';
import { parseCrl } from '../../shared/evidence/crl.ts';
import { EvidenceError } from '../../shared/evidence/evidence-error.ts';
import { parseSnpReport } from '../../shared/evidence/snp-report.ts';
import { parseCertificate } from '../../shared/evidence/x509.ts';
import { judgeSnp } from '../../shared/verifier/judge-snp.ts';
import { nobleCrypto } from '../../shared/verifier/noble-crypto.ts';
import { PINNED_ROOTS } from '../../shared/verifier/roots/amd.ts';
import { StepLog, StoppedVerification } from '../../shared/verifier/step.ts';
import { type VerifierCrypto, webCrypto } from '../../shared/verifier/verifier-crypto.ts';
import { verifySnpChain } from '../../shared/verifier/verify-snp-chain.ts';
import { verifySnpReport } from '../../shared/verifier/verify-snp-report.ts';
import { verifySnpRevocation } from '../../shared/verifier/verify-snp-revocation.ts';
import { vectorSnpPolicy } from './snp-policy.ts';
import { type Anchor, anchorsOf, readAnchorFiles } from './trust-anchors.ts';
import type { Check, ExpectedOutcome, Judge, Vector } from './vector.ts';

const trust = { roots: PINNED_ROOTS, hardware: true, simulated: [] };
// The policy that the folder's manifest names asks for these and no more; floors, for one, are a user's.
const REASON: Readonly<Record<string, string>> = {
  policy_debug: 'debug',
  policy_migration: 'migrateMa',
  policy_vmpl: 'vmpl',
};

/** Judges a report with each certificate that was captured with it, at each time that is given. */
export const judgeSnpVector: Judge = async (vector) => {
  const report = vector.file('report') ?? new Uint8Array();
  const leaves = vector.files.filter(({ role }) => /^(vcek|vlek)/.test(role));
  if (leaves.length === 0 || !vector.expected.at) return [readOnly(report)];
  const others = (vector.expected.otherTimes ?? []) as readonly ExpectedOutcome[];
  const checks: Check[] = [];
  for (const { role, path } of leaves)
    for (const [provider, crypto] of [
      ['WebCrypto', webCrypto],
      ['noble', nobleCrypto],
    ] as const)
      for (const expected of [vector.expected, ...(role.endsWith('-alt') ? [] : others)]) {
        const certificate = vector.folder.read(path);
        const kind = role.startsWith('vlek') ? ('vlek' as const) : ('vcek' as const);
        const outcome = await verify(
          vector,
          report,
          { kind, certificate },
          new Date(expected.at ?? 0),
          crypto,
        );
        const where = `${role}, ${provider}, ${expected.at}`;
        checks.push(...compareOutcome(where, expected, outcome));
      }
  return checks;
};

/** Judges a revocation list with the root that its issuer names, at its time, one day before and one after its end. */
export const judgeAmdCrlVector: Judge = async (vector) => {
  const crl = vector.file('crl') ?? new Uint8Array();
  const list = parseCrl(crl);
  const anchors = anchorsOf(vector.folder);
  const ark = anchors.find(({ certificate }) => equalBytes(certificate.subject, list.issuer))?.certificate;
  const ask = anchors.find(
    ({ certificate }) => ark && certificate !== ark && equalBytes(certificate.issuer, ark.subject),
  )?.certificate;
  if (!ark || !ask) return [{ what: 'issuer', expected: 'among the trust anchors', actual: 'it is not' }];
  const DAY = 86_400_000;
  const times: readonly (readonly [Date, string])[] = [
    [new Date(vector.expected.at ?? 0), vector.expected.crypto ?? 'valid'],
    [new Date(list.thisUpdate.getTime() - DAY), 'invalid'],
    [new Date(list.nextUpdate.getTime() + DAY), 'invalid'],
  ];
  const checks: Check[] = [];
  for (const [at, expected] of times) {
    const holds = await completes(() => verifySnpRevocation(new StepLog(), crl, { ask, ark }, at, webCrypto));
    checks.push({ what: `crypto, ${at.toISOString()}`, expected, actual: holds ? 'valid' : 'invalid' });
  }
  const serials = vector.facts?.revokedSerials as readonly string[] | undefined;
  if (serials)
    checks.push({
      what: 'revoked serials',
      expected: serials.join(' '),
      actual: [...list.revoked].map((serial) => `0x${serial}`).join(' '),
    });
  return checks;
};

/** What came out at one time. */
export interface Outcome {
  readonly crypto: 'valid' | 'invalid' | 'unverifiable';
  readonly defaultPolicy: 'accept' | 'reject';
  readonly reasons: readonly string[];
}

/** Compares what is given of an expectation; reasons only where signatures hold. */
export function compareOutcome(where: string, expected: ExpectedOutcome, outcome: Outcome): readonly Check[] {
  const checks: Check[] = [];
  // What was captured without its endorsements can be read only.
  if (expected.crypto && expected.crypto !== 'unverifiable')
    checks.push({ what: `crypto, ${where}`, expected: expected.crypto, actual: outcome.crypto });
  if (expected.defaultPolicy)
    checks.push({
      what: `policy, ${where}`,
      expected: expected.defaultPolicy,
      actual: outcome.defaultPolicy,
    });
  if (expected.reasons && outcome.crypto === 'valid')
    checks.push({
      what: `reasons, ${where}`,
      expected: expected.reasons.join(', '),
      actual: outcome.reasons.join(', '),
    });
  return checks;
}

function readOnly(report: Bytes): Check {
  try {
    return { what: 'report', expected: 'readable', actual: parseSnpReport(report) ? 'readable' : '' };
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    return { what: 'report', expected: 'readable', actual: error.message };
  }
}

async function verify(
  vector: Vector,
  report: Bytes,
  leaf: { readonly kind: 'vcek' | 'vlek'; readonly certificate: Bytes },
  at: Date,
  crypto: VerifierCrypto,
): Promise<Outcome> {
  const refused = { crypto: 'invalid', defaultPolicy: 'reject', reasons: [] } as const;
  const log = new StepLog();
  try {
    const issuers = findIssuers(leaf.certificate, [...anchorsOf(vector.folder), ...chainOf(vector)]);
    if (!issuers) return refused;
    const chain = await verifySnpChain(log, { leaf, ...issuers }, trust, at, crypto);
    const genuine = await verifySnpReport(log, report, chain, crypto);
    const wanted = vectorSnpPolicy(toHex(genuine.report.measurement));
    judgeSnp(log, { ...genuine, chain }, wanted, true);
  } catch (error) {
    if (error instanceof StoppedVerification || error instanceof EvidenceError) return refused;
    throw error;
  }
  const reasons = log.violations.flatMap(({ code }) => REASON[code] ?? []);
  return { crypto: 'valid', defaultPolicy: reasons.length === 0 ? 'accept' : 'reject', reasons };
}

// A folder without trust anchors may name the certificates above a leaf; the verifier pins the root either way.
export function chainOf(vector: Vector): readonly Anchor[] {
  return readAnchorFiles(
    ((vector.expected.chain ?? []) as readonly string[]).map((path) => ({ role: path, path })),
    vector.folder,
  );
}

/** AMD's certificates above a leaf, among the anchors. */
export function findIssuers(
  leaf: Bytes,
  anchors: readonly Anchor[],
): { readonly ask: Bytes; readonly ark: Bytes } | undefined {
  const above = (issuer: Bytes): Anchor | undefined =>
    anchors.find(({ certificate }) => equalBytes(certificate.subject, issuer));
  const ask = above(parseCertificate(leaf).issuer);
  const ark = ask && above(ask.certificate.issuer);
  return ask && ark && { ask: ask.der, ark: ark.der };
}

async function completes(check: () => Promise<unknown>): Promise<boolean> {
  try {
    await check();
    return true;
  } catch (error) {
    if (error instanceof StoppedVerification) return false;
    throw error;
  }
}
