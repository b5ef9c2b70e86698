import { describe, expect, it } from 'vitest';
import { SIMULATED_FAULTS, type SimulatedFault } from '../../../backend/tee/simulated/faults.ts';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { encodeBundle, type SnpEvidence } from '../../../shared/evidence/bundle.ts';
import { manifestDigest } from '../../../shared/manifest/manifest.ts';
import type { SnpReferenceValue } from '../../../shared/manifest/snp-reference-value.ts';
import { PINNED_ROOTS } from '../../../shared/verifier/roots/amd.ts';
import {
  isEvidenceCode,
  isPolicyCode,
  VerificationError,
} from '../../../shared/verifier/verification-error.ts';
import { type Verification, verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import {
  type Changes,
  measurement,
  now,
  simulatedNode,
  snpEvidenceOf,
  testPlatform,
} from '../../backend/tee/simulated-node.ts';

async function verify(changes: Changes, at = now): Promise<Verification> {
  const { bundle, policy } = await simulatedNode(changes);
  return verifyBundle(bundle, policy, { now: at });
}

async function refusal(changes: Changes, at = now): Promise<readonly string[]> {
  const verification = await verify(changes, at);
  return verification.ok ? [] : verification.failure.violations.map(({ code }) => code);
}

function wanting(changes: Partial<SnpReferenceValue>): Changes {
  const value = { ...simulatedReferenceValue([toHex(measurement)]), ...changes };
  return { manifest: { reference_values: { worker: [value] } } };
}

const sound = simulatedReferenceValue([toHex(measurement)]);

describe('every fault of the simulator is refused with its code and nothing before it', () => {
  for (const [name, { refusedWith }] of Object.entries(SIMULATED_FAULTS))
    it(`${name}: ${refusedWith}`, async () => {
      const verification = await verify({ fault: name as SimulatedFault });
      expect(verification.ok).toBe(false);
      if (verification.ok) return;
      expect(verification.failure.code).toBe(refusedWith);
      const failed = verification.steps.filter((step) => step.result === 'fail');
      expect(failed[0]?.code).toBe(refusedWith);
      // A cryptographic failure ends the verification: it is the last step.
      if (refusedWith.startsWith('evidence_')) expect(verification.steps.at(-1)).toBe(failed[0]);
    });
});

describe('manifest and policy', () => {
  it('policy_manifest_pin: another manifest', async () => {
    const pin = { pin: 'digest', digest: toBase64url(new Uint8Array(32)) } as const;
    expect(await refusal({ policy: { manifest: pin } })).toEqual(['policy_manifest_pin']);
  });
  it('policy_manifest_expired', async () => {
    expect(await refusal({ manifest: { not_after: '2026-11-23T11:59:59Z' } })).toEqual([
      'policy_manifest_expired',
    ]);
  });
  it('evidence_manifest_malformed: pinned, but not a manifest', async () => {
    const manifestOctets = new TextEncoder().encode('{"version":1}');
    expect(await refusal({ manifestOctets })).toEqual(['evidence_manifest_malformed']);
  });
  it('policy_role: no expectations for the role', async () => {
    expect(await refusal({ core: { role: 'attestation-service' } })).toEqual(['policy_role']);
  });
  it('policy_core_manifest: the node runs under another manifest', async () => {
    expect(await refusal({ core: { manifestDigest: new Uint8Array(32) } })).toEqual(['policy_core_manifest']);
  });
  it('policy_deployment: what it runs is not in the manifest', async () => {
    expect(await refusal({ core: { deploymentDigest: new Uint8Array(32) } })).toEqual([
      'policy_deployment',
      'policy_surface',
    ]);
  });
  it('policy_surface: one route more than the deployment', async () => {
    const routes = ['POST /v1/chat/completions', 'GET /v1/models', 'POST /v1/debug'];
    const surface = { routes, features: ['streaming'], egress: 'none' } as const;
    expect(await refusal({ core: { surface } })).toEqual(['policy_surface']);
  });
  it('policy_surface: the order of routes does not matter, a feature that is missing does', async () => {
    const routes = ['GET /v1/models', 'POST /v1/chat/completions'];
    expect(await refusal({ core: { surface: { routes, features: ['streaming'], egress: 'none' } } })).toEqual(
      [],
    );
    expect(await refusal({ core: { surface: { routes, features: [], egress: 'none' } } })).toEqual([
      'policy_surface',
    ]);
  });
  it('policy_device: a device that the manifest does not ask for', async () => {
    const devices = [{ kind: 'nvidia-gpu', sha256: new Uint8Array(32) }];
    expect(await refusal({ statement: { devices } })).toEqual(['policy_device']);
  });
  it('policy_post_quantum: no such key, unless the policy does not ask', async () => {
    const ohttpKeys = Uint8Array.from([0, 5, 2, 0x00, 0x20, 9, 9]);
    expect(await refusal({ core: { ohttpKeys } })).toEqual(['policy_post_quantum']);
    expect(await refusal({ core: { ohttpKeys }, policy: { require_post_quantum: false } })).toEqual([]);
    const broken = Uint8Array.from([0, 9, 2, 0x64, 0x7a]);
    expect(await refusal({ core: { ohttpKeys: broken }, policy: { require_post_quantum: false } })).toEqual([
      'policy_post_quantum',
    ]);
  });
});

describe('expectations of the manifest that a sound machine does not meet', () => {
  const cases: readonly (readonly [string, Partial<SnpReferenceValue>, readonly string[]])[] = [
    ['guest svn', { minimum_guest_svn: 1 }, ['policy_guest_svn']],
    ['host data', { host_data: '11'.repeat(32) }, ['policy_host_data']],
    [
      'id block',
      { id_block: { id_key_digests: ['22'.repeat(48)], author_key_digests: [] } },
      ['policy_id_block'],
    ],
    ['guest policy', { guest_policy: { ...sound.guest_policy, smt: 'off' } }, ['policy_guest_policy']],
    [
      'firmware ABI',
      { guest_policy: { ...sound.guest_policy, minimum_abi: { major: 1, minor: 52 } } },
      ['policy_guest_policy'],
    ],
    ['product', { products: ['Turin'] }, ['policy_product']],
    [
      'floors',
      { minimum_tcb: sound.minimum_tcb.map((floor) => ({ ...floor, microcode: floor.microcode + 1 })) },
      ['policy_tcb_reported', 'policy_tcb_committed', 'policy_tcb_launch'],
    ],
    [
      'no floor for this stepping',
      { minimum_tcb: sound.minimum_tcb.map((floor) => ({ ...floor, cpu: { ...floor.cpu, stepping: 2 } })) },
      ['policy_tcb_reported', 'policy_tcb_committed', 'policy_tcb_launch'],
    ],
    [
      'mitigations',
      { minimum_mitigations: { launch: '0000000000000020', current: '0000000000000000' } },
      ['policy_mitigations'],
    ],
    ['chip', { chip_ids: ['33'.repeat(64)] }, ['policy_chip_id']],
    ['platform', { platform: { ...sound.platform, tsme: 'required' } }, ['policy_platform']],
    ['privilege level', { vmpl: 1 }, ['policy_vmpl']],
    [
      'several at once',
      { minimum_guest_svn: 1, vmpl: 2, products: ['Turin'] },
      ['policy_vmpl', 'policy_guest_svn', 'policy_product'],
    ],
  ];
  for (const [name, changes, codes] of cases)
    it(`${name}: ${codes.join(', ')}`, async () => {
      expect(await refusal(wanting(changes))).toEqual(codes);
    });

  it('accepts the chip when the manifest names it, and mitigations that are there', async () => {
    const { chipId } = await testPlatform();
    const minimum_mitigations = { launch: '0000000000000016', current: '0000000000000016' };
    expect(await refusal(wanting({ chip_ids: [toHex(chipId)], minimum_mitigations }))).toEqual([]);
  });
  it('accepts a masked chip and provisional firmware where the manifest does', async () => {
    expect(await refusal({ ...wanting({ masked_chip_id: 'accepted' }), fault: 'masked-chip' })).toEqual([]);
    const provisional = wanting({ provisional_firmware: 'accepted' });
    expect(await refusal({ ...provisional, fault: 'provisional-firmware' })).toEqual([]);
  });
  it('takes any one set of expectations, and explains the closest', async () => {
    const far = { ...sound, vmpl: 3, products: ['Turin'] as const, minimum_guest_svn: 9 };
    const near = { ...sound, vmpl: 3 };
    expect(await refusal({ manifest: { reference_values: { worker: [far, sound] } } })).toEqual([]);
    expect(await refusal({ manifest: { reference_values: { worker: [far, near] } } })).toEqual([
      'policy_vmpl',
    ]);
  });
});

describe('the bytes', () => {
  it('evidence_bundle_malformed and evidence_too_large', async () => {
    const { policy } = await simulatedNode();
    for (const text of ['', '{', '[]', '{"version":1}', '{"version":1,"version":1}'])
      expect(await verifyBundle(new TextEncoder().encode(text), policy, { now })).toMatchObject({
        failure: { code: 'evidence_bundle_malformed' },
      });
    expect(await verifyBundle(new Uint8Array(1024 * 1024 + 1), policy, { now })).toMatchObject({
      failure: { code: 'evidence_too_large' },
    });
  });
  it('evidence_statement_malformed, evidence_core_malformed', async () => {
    const { parts } = await simulatedNode();
    const statement = new TextEncoder().encode('{"version":1}');
    expect(await refusal({ bundle: { node: { ...parts.node, statement } } })).toEqual([
      'evidence_statement_malformed',
    ]);
    expect(await refusal({ coreOctets: new TextEncoder().encode('{"version":1}') })).toEqual([
      'evidence_core_malformed',
    ]);
  });
  it('evidence_statement_not_valid_now, evidence_core_not_valid_now: on both sides', async () => {
    const early = new Date(now.getTime() - 61_000);
    const late = new Date(now.getTime() + 3_601_000);
    expect(await refusal({}, early)).toEqual(['evidence_statement_not_valid_now']);
    expect(await refusal({}, late)).toEqual(['evidence_statement_not_valid_now']);
    expect(await refusal({ core: { notAfter: new Date(now.getTime() - 1000) } })).toEqual([
      'evidence_core_not_valid_now',
    ]);
    expect(await refusal({ core: { notBefore: new Date(now.getTime() + 1000) } })).toEqual([
      'evidence_core_not_valid_now',
    ]);
  });
  it('evidence_kind_unsupported: two reports', async () => {
    expect(await refusal({ evidenceTimes: 2 })).toEqual(['evidence_kind_unsupported']);
  });
  it('evidence_chain_profile: a VCEK sent as a VLEK', async () => {
    const { parts } = await simulatedNode();
    const evidence = snpEvidenceOf(parts);
    const swapped: SnpEvidence = { ...evidence, leaf: { ...evidence.leaf, kind: 'vlek' } };
    expect(await refusal({ bundle: { node: { ...parts.node, evidence: [swapped] } } })).toEqual([
      'evidence_chain_profile',
    ]);
  });
  it('evidence_certificate_malformed, evidence_report_malformed', async () => {
    const { parts } = await simulatedNode();
    const evidence = snpEvidenceOf(parts);
    const ask = evidence.ask.slice(0, -1);
    const report = evidence.report.slice();
    report[0] = 6;
    const { node } = parts;
    expect(await refusal({ bundle: { node: { ...node, evidence: [{ ...evidence, ask }] } } })).toEqual([
      'evidence_certificate_malformed',
    ]);
    expect(await refusal({ bundle: { node: { ...node, evidence: [{ ...evidence, report }] } } })).toEqual([
      'evidence_report_malformed',
    ]);
  });
  it('evidence_binding: evidence of another statement', async () => {
    const [one, other] = await Promise.all([simulatedNode(), simulatedNode()]);
    const node = { statement: one.parts.node.statement, evidence: other.parts.node.evidence };
    expect(await refusal({ bundle: { node } })).toEqual(['evidence_binding']);
  });
});

describe('roots', () => {
  it('evidence_root_unknown: a simulator that the policy does not name', async () => {
    for (const hardware of [true, false])
      expect(await refusal({ policy: { roots: { hardware, simulated: [] } } })).toEqual([
        'evidence_root_unknown',
      ]);
  });
  it('policy_hardware_root: genuine hardware where only a simulator is wanted', async () => {
    const { rootSpkiSha256 } = await testPlatform();
    const { bundle, policy } = await simulatedNode();
    const roots = { amd: [...PINNED_ROOTS.amd, { product: 'Genoa' as const, spkiSha256: rootSpkiSha256 }] };
    expect(await verifyBundle(bundle, policy, { now, roots })).toMatchObject({
      failure: { code: 'policy_hardware_root' },
    });
  });
  it('a chain with the simulator’s names never counts as hardware', async () => {
    const { rootSpkiSha256 } = await testPlatform();
    const { bundle, policy } = await simulatedNode({ policy: { roots: { hardware: true, simulated: [] } } });
    const roots = { amd: [{ product: 'Genoa' as const, spkiSha256: rootSpkiSha256 }] };
    expect(await verifyBundle(bundle, policy, { now, roots })).toMatchObject({
      failure: { code: 'evidence_chain_profile' },
    });
  });
});

describe('the result', () => {
  it('carries first code, all violations and all steps into an error', async () => {
    const verification = await verify(wanting({ minimum_guest_svn: 1, vmpl: 2 }));
    if (verification.ok) throw new Error('not refused');
    const error = new VerificationError(verification.failure);
    expect(error.code).toBe('policy_vmpl');
    expect(error.violations.map(({ step }) => step)).toEqual(['policy.vmpl', 'policy.guest-svn']);
    expect(error.steps).toBe(verification.steps);
    expect(isPolicyCode(error.code)).toBe(true);
    expect(isEvidenceCode(error.code)).toBe(false);
  });
  it('does not see what the caller changes after the call', async () => {
    const { bundle, policy } = await simulatedNode();
    const pending = verifyBundle(bundle, policy, { now });
    bundle.fill(0);
    expect((await pending).ok).toBe(true);
  });
  it('pins exact octets: the same manifest with a space is another', async () => {
    const { parts, policy } = await simulatedNode();
    const manifest = new Uint8Array([...parts.manifest, 0x20]);
    expect(await manifestDigest(manifest)).not.toEqual(await manifestDigest(parts.manifest));
    const verification = await verifyBundle(encodeBundle({ ...parts, manifest }), policy, { now });
    expect(verification).toMatchObject({ failure: { code: 'policy_manifest_pin' } });
  });
});
