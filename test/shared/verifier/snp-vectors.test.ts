import { describe, expect, it } from 'vitest';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { parseSnpReport } from '../../../shared/evidence/snp-report.ts';
import { parseCertificate } from '../../../shared/evidence/x509.ts';
import { judgeSnp } from '../../../shared/verifier/judge-snp.ts';
import { nobleCrypto } from '../../../shared/verifier/noble-crypto.ts';
import { PINNED_ROOTS } from '../../../shared/verifier/roots/amd.ts';
import { StepLog, StoppedVerification } from '../../../shared/verifier/step.ts';
import type { Violation } from '../../../shared/verifier/verification-error.ts';
import { type VerifierCrypto, webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { verifySnpChain } from '../../../shared/verifier/verify-snp-chain.ts';
import { verifySnpReport } from '../../../shared/verifier/verify-snp-report.ts';
import { verifySnpRevocation } from '../../../shared/verifier/verify-snp-revocation.ts';
import { crlVectors, fileOf, readPem, snpVectors } from './snp-vectors.ts';

const absent = snpVectors.length === 0;
const trust = { roots: PINNED_ROOTS, hardware: true, simulated: [] };
/** The policy named in the vectors' manifest asks for these and no more. */
const DEFAULT_POLICY: Record<string, string> = {
  policy_debug: 'debug',
  policy_migration: 'migrateMa',
  policy_vmpl: 'vmpl',
};

type Vector = (typeof snpVectors)[number];

async function verify(
  vector: Vector,
  at: Date,
  leafRole: string,
  crypto: VerifierCrypto,
): Promise<{ genuine: boolean; violations: readonly Violation[] }> {
  const log = new StepLog();
  const report = fileOf(vector, 'report');
  const certificate = fileOf(vector, leafRole);
  const [ask, ark] = (vector.expected.chain ?? []).map(readPem);
  if (!report || !certificate || !ask || !ark) throw new Error('incomplete vector');
  const leaf = { kind: leafRole.startsWith('vlek') ? ('vlek' as const) : ('vcek' as const), certificate };
  try {
    const chain = await verifySnpChain(log, { leaf, ask, ark }, trust, at, crypto);
    const genuine = await verifySnpReport(log, report, chain, crypto);
    judgeSnp(log, { ...genuine, chain }, simulatedReferenceValue([toHex(genuine.report.measurement)]), true);
    return { genuine: true, violations: log.violations };
  } catch (error) {
    if (!(error instanceof StoppedVerification)) throw error;
    return { genuine: false, violations: log.violations };
  }
}

describe.skipIf(absent)('captured SEV-SNP evidence (skipped where the vectors are absent)', () => {
  for (const vector of snpVectors) {
    const { expected } = vector;
    it(`${vector.name}: the report can be read`, () => {
      const report = parseSnpReport(fileOf(vector, 'report') as Uint8Array);
      const facts = vector.facts as {
        version: number;
        measurement: string;
        reportData: string;
        chipId: string;
        vmpl: number;
        guestSvn: number;
        currentVersion: string;
        cpuid: unknown;
        keyInfo: { signingKey: string };
        policyBits: { debug: boolean; smt: boolean };
        platformInfoBits: { aliasCheckComplete: boolean; bit6: boolean };
        launchMitVector?: string;
      };
      const { major, minor, build } = report.currentVersion;
      expect({
        version: report.version,
        measurement: toHex(report.measurement),
        reportData: toHex(report.reportData),
        chipId: toHex(report.chipId),
        vmpl: report.vmpl,
        guestSvn: report.guestSvn,
        currentVersion: `${major}.${minor}.${build}`,
        cpuid: report.cpu ?? null,
        signingKey: report.signingKey.toUpperCase(),
        debug: report.policy.debug,
        smt: report.policy.smtAllowed,
        aliasCheck: report.platform.aliasCheckComplete,
        bit6: report.platform.iommuWriteSafe,
      }).toEqual({
        version: facts.version,
        measurement: facts.measurement,
        reportData: facts.reportData,
        chipId: facts.chipId,
        vmpl: facts.vmpl,
        guestSvn: facts.guestSvn,
        currentVersion: facts.currentVersion,
        cpuid: facts.cpuid,
        signingKey: facts.keyInfo.signingKey,
        debug: facts.policyBits.debug,
        smt: facts.policyBits.smt,
        aliasCheck: facts.platformInfoBits.aliasCheckComplete,
        bit6: facts.platformInfoBits.bit6,
      });
      if (facts.launchMitVector) expect(report.launchMitigations).toBe(BigInt(facts.launchMitVector));
    });
    if (expected.crypto === 'unverifiable' || !expected.at) continue;
    const at = new Date(expected.at);
    for (const role of ['vcek', 'vcek-alt', 'vlek']) {
      if (!vector.files.some((file) => file.role === role)) continue;
      for (const [name, crypto] of [
        ['WebCrypto', webCrypto],
        ['noble', nobleCrypto],
      ] as const)
        it(`${vector.name}, ${role}, ${name}: crypto ${expected.crypto}, policy ${expected.defaultPolicy}`, async () => {
          const { genuine, violations } = await verify(vector, at, role, crypto);
          expect(genuine).toBe(expected.crypto === 'valid');
          if (!genuine) {
            expect(violations[0]?.code).toMatch(/^evidence_/);
            return;
          }
          const reasons = violations.map(({ code }) => DEFAULT_POLICY[code]).filter((reason) => reason);
          expect(reasons).toEqual(expected.reasons);
          expect(reasons.length === 0 ? 'accept' : 'reject').toBe(expected.defaultPolicy);
        });
    }
    for (const other of expected.otherTimes ?? [])
      it(`${vector.name} at ${other.at}: ${other.crypto}`, async () => {
        const role = vector.files.some((file) => file.role === 'vcek') ? 'vcek' : 'vlek';
        const { genuine, violations } = await verify(vector, new Date(other.at), role, webCrypto);
        expect(genuine).toBe(other.crypto === 'valid');
        if (expected.crypto === 'valid')
          expect(violations[0]?.code).toBe('evidence_certificate_not_valid_now');
      });
  }

  for (const vector of crlVectors) {
    const product = /(milan|genoa|turin)/.exec(vector.name)?.[1];
    const certificates = () => ({
      ask: parseCertificate(readPem(`roots/amd-${product}-ask.pem`)),
      ark: parseCertificate(readPem(`roots/amd-${product}-ark.pem`)),
    });
    const crl = () => fileOf(vector, 'crl') as Uint8Array;
    const at = new Date(vector.expected.at ?? 0);
    it(`${vector.name}: signed by its root, the intermediate in use is not on it`, async () => {
      const list = await verifySnpRevocation(new StepLog(), crl(), certificates(), at, webCrypto);
      expect([...list.revoked].map((serial) => `0x${serial}`)).toEqual(vector.facts.revokedSerials);
    });
    it(`${vector.name}: refused after its nextUpdate, under another root, and for a listed intermediate`, async () => {
      const run = async (
        log: StepLog,
        ...rest: Parameters<typeof verifySnpRevocation> extends [StepLog, ...infer R] ? R : never
      ) => {
        await expect(verifySnpRevocation(log, ...rest)).rejects.toBeInstanceOf(StoppedVerification);
        return log.violations[0]?.code;
      };
      const { ask, ark } = certificates();
      const later = new Date('2026-11-23T00:00:00Z');
      expect(await run(new StepLog(), crl(), { ask, ark }, later, webCrypto)).toBe(
        'evidence_crl_not_valid_now',
      );
      const other = parseCertificate(readPem(`roots/amd-${product === 'milan' ? 'genoa' : 'milan'}-ark.pem`));
      expect(await run(new StepLog(), crl(), { ask, ark: other }, at, webCrypto)).toBe(
        'evidence_crl_signature',
      );
      const sameName = { ...other, subject: ark.subject };
      expect(await run(new StepLog(), crl(), { ask, ark: sameName }, at, webCrypto)).toBe(
        'evidence_crl_signature',
      );
      const [serial] = vector.facts.revokedSerials as readonly string[];
      const listed = { ...ask, serial: String(serial).slice(2) };
      expect(await run(new StepLog(), crl(), { ask: listed, ark }, at, webCrypto)).toBe('evidence_revoked');
    });
  }

  it('pins the roots that the vectors carry', async () => {
    for (const { product, spkiSha256 } of PINNED_ROOTS.amd) {
      const { spki } = parseCertificate(readPem(`roots/amd-${product.toLowerCase()}-ark.pem`));
      expect(toHex(await webCrypto.digest('SHA-256', spki))).toBe(spkiSha256);
    }
  });
});
