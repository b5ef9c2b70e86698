import { expect, it } from 'vitest';
import { ia5String, integer } from '../../../backend/tee/simulated/der-writer.ts';
import {
  authorityExtensions,
  extension,
  makeCertificate,
} from '../../../backend/tee/simulated/make-certificate.ts';
import { SIMULATED_CPU, SIMULATED_TCB } from '../../../backend/tee/simulated/platform.ts';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { SIMULATED_NAME } from '../../../backend/tee/simulated/simulated-names.ts';
import { SIMULATED_GUEST_POLICY } from '../../../backend/tee/simulated/tee.ts';
import { writeReport } from '../../../backend/tee/simulated/write-report.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { AMD_OID } from '../../../shared/evidence/amd-extensions.ts';
import type { SnpEvidence } from '../../../shared/evidence/bundle.ts';
import { SIMULATED_SUFFIX } from '../../../shared/evidence/simulated-suffix.ts';
import { judgeSnp } from '../../../shared/verifier/judge-snp.ts';
import { PINNED_ROOTS } from '../../../shared/verifier/roots/amd.ts';
import { StepLog, StoppedVerification } from '../../../shared/verifier/step.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { verifySnpEvidence } from '../../../shared/verifier/verify-snp-evidence.ts';
import { measurement, now, testPlatform } from '../../backend/tee/simulated-node.ts';

const VLEK = 1 << 2;
const PROVIDER = 'CN=cloud.example';

/** Evidence by a provider's key on Genoa, which nobody captured. */
async function providerEvidence(
  changes: { keyInfo?: number; chipId?: Uint8Array<ArrayBuffer>; asvkName?: string } = {},
): Promise<SnpEvidence> {
  const { keys, certificates } = await testPlatform();
  const dates = {
    notBefore: new Date(now.getTime() - 86_400_000),
    notAfter: new Date(now.getTime() + 86_400_000),
  };
  const asvk = changes.asvkName ?? `SEV-VLEK-Genoa${SIMULATED_SUFFIX}`;
  const level = (id: string, value: number) => extension(id, false, integer(value));
  const leaf = makeCertificate({
    ...dates,
    serial: 0,
    issuer: asvk,
    subject: `SEV-VLEK${SIMULATED_SUFFIX}`,
    key: keys.chip,
    signer: keys.ask,
    extensions: [
      level(AMD_OID.structVersion, 0),
      extension(AMD_OID.productName, false, ia5String('Genoa')),
      level(AMD_OID.bootLoader, SIMULATED_TCB.bootLoader),
      level(AMD_OID.tee, SIMULATED_TCB.tee),
      level(AMD_OID.snp, SIMULATED_TCB.snp),
      level(AMD_OID.microcode, SIMULATED_TCB.microcode),
      extension(AMD_OID.cspId, false, ia5String(PROVIDER)),
    ],
  });
  const ask = makeCertificate({
    ...dates,
    serial: 9,
    issuer: SIMULATED_NAME.ark,
    subject: asvk,
    key: keys.ask,
    signer: keys.ark,
    extensions: authorityExtensions('intermediate'),
  });
  const report = writeReport(
    {
      guestPolicy: SIMULATED_GUEST_POLICY,
      platformInfo: 0b0110_0101n,
      keyInfo: changes.keyInfo ?? VLEK,
      vmpl: 0,
      reportData: new Uint8Array(64),
      measurement,
      reportId: new Uint8Array(32),
      cpu: SIMULATED_CPU,
      chipId: changes.chipId ?? new Uint8Array(64),
      currentTcb: SIMULATED_TCB,
      reportedTcb: SIMULATED_TCB,
      committedTcb: SIMULATED_TCB,
      launchTcb: SIMULATED_TCB,
      mitigations: 0n,
    },
    keys.chip,
  );
  const { ark, crl } = certificates;
  return { kind: 'sev-snp', report, leaf: { kind: 'vlek', certificate: leaf }, ask, ark, crl };
}

async function codes(evidence: SnpEvidence, providers: readonly string[]): Promise<readonly string[]> {
  const trust = { roots: PINNED_ROOTS, hardware: false, simulated: [(await testPlatform()).rootSpkiSha256] };
  const log = new StepLog();
  try {
    const genuine = await verifySnpEvidence(log, evidence, trust, now, webCrypto);
    const wanted = { ...simulatedReferenceValue([toHex(measurement)]), vlek_providers: providers };
    judgeSnp(log, genuine, wanted, false);
  } catch (error) {
    if (!(error instanceof StoppedVerification)) throw error;
  }
  return log.violations.map(({ code }) => code);
}

it('accepts a provider’s key where the manifest names the provider, and only there', async () => {
  const evidence = await providerEvidence();
  expect(await codes(evidence, [PROVIDER])).toEqual([]);
  expect(await codes(evidence, [])).toEqual(['policy_vlek_provider']);
});

it('evidence_signing_key_kind: the report says that a chip’s key signed it', async () => {
  expect(await codes(await providerEvidence({ keyInfo: 0 }), [PROVIDER])).toEqual([
    'evidence_signing_key_kind',
  ]);
});

it('evidence_chip_mismatch: a chip id under a provider’s key', async () => {
  expect(await codes(await providerEvidence({ chipId: new Uint8Array(64).fill(1) }), [PROVIDER])).toEqual([
    'evidence_chip_mismatch',
  ]);
});

it('evidence_chain_profile: a provider’s key under the intermediate of chip keys', async () => {
  expect(await codes(await providerEvidence({ asvkName: SIMULATED_NAME.ask }), [PROVIDER])).toEqual([
    'evidence_chain_profile',
  ]);
});

it('evidence_chain_profile: a provider’s key sent as a chip’s', async () => {
  const evidence = await providerEvidence();
  expect(await codes({ ...evidence, leaf: { ...evidence.leaf, kind: 'vcek' } }, [PROVIDER])).toEqual([
    'evidence_chain_profile',
  ]);
});
