import { expect, it } from 'vitest';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import type { SnpReferenceValue } from '../../../shared/manifest/snp-reference-value.ts';
import { judgeSnp } from '../../../shared/verifier/judge-snp.ts';
import { PINNED_ROOTS } from '../../../shared/verifier/roots/amd.ts';
import { StepLog } from '../../../shared/verifier/step.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { type GenuineSnp, verifySnpEvidence } from '../../../shared/verifier/verify-snp-evidence.ts';
import {
  measurement,
  now,
  simulatedNode,
  snpEvidenceOf,
  testPlatform,
} from '../../backend/tee/simulated-node.ts';

// Judgement takes evidence that was verified; these tests bend it afterwards to reach what the simulator does not play.
type Bend = (genuine: GenuineSnp) => GenuineSnp;
const report =
  (changes: Partial<GenuineSnp['report']>): Bend =>
  (genuine) => ({ ...genuine, report: { ...genuine.report, ...changes } });
const chain =
  (changes: Partial<GenuineSnp['chain']>): Bend =>
  (genuine) => ({ ...genuine, chain: { ...genuine.chain, ...changes } });
const vlek: Bend = (genuine) =>
  chain({ extensions: { ...genuine.chain.extensions, holder: { kind: 'vlek', cspId: 'CN=cloud.example' } } })(
    genuine,
  );

async function codes(
  bend: Bend,
  wanted: Partial<SnpReferenceValue> = {},
  acceptMilan = false,
): Promise<readonly string[]> {
  const evidence = snpEvidenceOf((await simulatedNode()).parts);
  const trust = { roots: PINNED_ROOTS, hardware: false, simulated: [(await testPlatform()).rootSpkiSha256] };
  const genuine = await verifySnpEvidence(new StepLog(), evidence, trust, now, webCrypto);
  const log = new StepLog();
  judgeSnp(log, bend(genuine), { ...simulatedReferenceValue([toHex(measurement)]), ...wanted }, acceptMilan);
  return log.violations.map(({ code }) => code);
}

it('takes no offence at what is sound', async () => {
  expect(await codes((genuine) => genuine)).toEqual([]);
});

it('policy_milan: unless the policy accepts it', async () => {
  const milan = chain({ product: 'Milan' });
  expect(await codes(milan, { products: ['Milan'] })).toEqual(['policy_milan']);
  expect(await codes(milan, { products: ['Milan'] }, true)).toEqual([]);
});

it('policy_vlek_provider: unless the manifest names the provider', async () => {
  expect(await codes(vlek)).toEqual(['policy_vlek_provider']);
  expect(await codes(vlek, { vlek_providers: ['CN=other.example'] })).toEqual(['policy_vlek_provider']);
  expect(await codes(vlek, { vlek_providers: ['CN=cloud.example'] })).toEqual([]);
});

it('policy_migration: a bound migration agent, even with the policy bit off', async () => {
  expect(await codes(report({ reportIdMa: new Uint8Array(32).fill(1) }))).toEqual(['policy_migration']);
});

it('policy_id_block: a launch signature that nobody named, and exactly the one that was', async () => {
  const key = new Uint8Array(48).fill(1);
  const author = new Uint8Array(48).fill(2);
  const signed = report({ idKeyDigest: key });
  const authored = report({ idKeyDigest: key, authorKeyDigest: author, authorKeyEnabled: true });
  const named = { id_key_digests: [toHex(key)], author_key_digests: [] };
  expect(await codes(signed)).toEqual(['policy_id_block']);
  expect(await codes(report({ authorKeyEnabled: true }))).toEqual(['policy_id_block']);
  expect(await codes(signed, { id_block: named })).toEqual([]);
  expect(await codes(authored, { id_block: named })).toEqual(['policy_id_block']);
  expect(await codes(authored, { id_block: { ...named, author_key_digests: [toHex(author)] } })).toEqual([]);
  expect(await codes(signed, { id_block: { ...named, author_key_digests: [toHex(author)] } })).toEqual([
    'policy_id_block',
  ]);
});

it('policy_provisional_firmware: same patch levels, another build', async () => {
  const currentVersion = { major: 1, minor: 58, build: 3 };
  expect(await codes(report({ currentVersion }))).toEqual(['policy_provisional_firmware']);
});

it('policy_tcb_*: a version 2 report names no processor, so no floor fits it', async () => {
  expect(await codes(report({ version: 2, cpu: undefined }))).toEqual([
    'policy_tcb_reported',
    'policy_tcb_committed',
    'policy_tcb_launch',
  ]);
});

it('policy_tcb_committed: the host can go back below the floor', async () => {
  const bend: Bend = (genuine) => ({
    ...genuine,
    tcbs: { ...genuine.tcbs, committed: { ...genuine.tcbs.committed, snp: 1 } },
  });
  expect(await codes(bend, { provisional_firmware: 'accepted' })).toEqual(['policy_tcb_committed']);
});

it('policy_guest_policy and policy_platform: each switch by itself', async () => {
  const sound = simulatedReferenceValue([toHex(measurement)]);
  for (const name of [
    'single_socket',
    'mem_aes_256_xts',
    'rapl_disabled',
    'ciphertext_hiding',
    'page_swap_disabled',
  ] as const)
    expect(
      await codes((genuine) => genuine, { guest_policy: { ...sound.guest_policy, [name]: 'required' } }),
    ).toEqual(['policy_guest_policy']);
  for (const name of ['tsme', 'rapl_disabled', 'ciphertext_hiding'] as const)
    expect(
      await codes((genuine) => genuine, { platform: { ...sound.platform, [name]: 'required' } }),
    ).toEqual(['policy_platform']);
  expect(await codes((genuine) => genuine, { platform: { ...sound.platform, smt: 'off' } })).toEqual([
    'policy_platform',
  ]);
  const off: Bend = (genuine) =>
    report({ platform: { ...genuine.report.platform, eccEnabled: false, iommuWriteSafe: false } })(genuine);
  expect(await codes(off)).toEqual(['policy_platform']);
  const cxl: Bend = (genuine) => report({ policy: { ...genuine.report.policy, cxlAllowed: true } })(genuine);
  expect(await codes(cxl)).toEqual(['policy_guest_policy']);
});
