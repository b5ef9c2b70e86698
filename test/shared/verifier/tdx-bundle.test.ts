import { describe, expect, it } from 'vitest';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import { encodeBundle, parseBundle } from '../../../shared/evidence/bundle.ts';
import { reportDataOf } from '../../../shared/evidence/node-statement.ts';
import { encodeManifest, manifestDigest } from '../../../shared/manifest/manifest.ts';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { now, simulatedNode } from '../../backend/tee/simulated-node.ts';
import { soundTdxReference, type TdxChanges, tdxEvidence, tdxNow, tdxRoots } from './tdx-platform.ts';

expect(now).toEqual(tdxNow);

/** A node on the test's TDX platform, under a manifest that names it. */
async function tdxNode(changes: TdxChanges = {}, values: readonly object[] = [soundTdxReference]) {
  const reference_values = { worker: values } as never;
  const { parts, policy } = await simulatedNode({ manifest: { reference_values } });
  const reportData = await reportDataOf(parts.node.statement);
  const evidence = tdxEvidence({ ...changes, report: { reportData, ...changes.report } });
  const bundle = encodeBundle({ ...parts, node: { ...parts.node, evidence: [evidence] } });
  return { bundle, evidence, policy: { ...policy, roots: { hardware: true, simulated: [] } } };
}

describe('a bundle with TDX evidence', () => {
  it('comes back as it went in', async () => {
    const { bundle, evidence } = await tdxNode();
    expect(parseBundle(bundle).node.evidence).toEqual([evidence]);
  });
  it('yields a key, and says that hardware vouches for it', async () => {
    const { bundle, policy } = await tdxNode();
    const verification = await verifyBundle(bundle, policy, { now, roots: tdxRoots });
    if (!verification.ok) throw new Error(JSON.stringify(verification.failure.violations));
    expect(verification.key.assurance).toBe('hardware');
    expect(verification.key.notAfter.getTime()).toBeGreaterThan(now.getTime());
  });
  it('evidence_binding: made for another statement', async () => {
    const { bundle, policy } = await tdxNode({ report: { reportData: new Uint8Array(64) } });
    expect(await verifyBundle(bundle, policy, { now, roots: tdxRoots })).toMatchObject({
      failure: { code: 'evidence_binding' },
    });
  });
  it('evidence_root_unknown: the test’s root is not Intel’s', async () => {
    const { bundle, policy } = await tdxNode();
    expect(await verifyBundle(bundle, policy, { now })).toMatchObject({
      failure: { code: 'evidence_root_unknown' },
    });
  });
  it('policy_tee: the manifest names another kind of processor', async () => {
    const { manifest } = await simulatedNode();
    const { bundle, policy } = await tdxNode({}, manifest.reference_values.worker);
    expect(await verifyBundle(bundle, policy, { now, roots: tdxRoots })).toMatchObject({
      failure: { violations: [{ code: 'policy_tee', expected: 'sev-snp', actual: 'tdx' }] },
    });
  });
  it('policy codes of the quote come through, all of them', async () => {
    const { bundle, policy } = await tdxNode({ report: { tdAttributes: 1n } });
    const verification = await verifyBundle(bundle, policy, { now, roots: tdxRoots });
    expect(verification.ok ? [] : verification.failure.violations.map(({ code }) => code)).toEqual([
      'policy_debug',
      'policy_sept_ve_disable',
    ]);
  });
  it('evidence_bundle_malformed: a missing or unknown member', async () => {
    const { bundle, policy } = await tdxNode();
    const text = new TextDecoder().decode(bundle);
    for (const wrong of [
      text.replace('"root_crl"', '"root_list"'),
      text.replace('"kind":"tdx"', '"kind":"tdx","more":1'),
    ])
      expect(
        await verifyBundle(new TextEncoder().encode(wrong), policy, { now, roots: tdxRoots }),
      ).toMatchObject({
        failure: { code: 'evidence_bundle_malformed' },
      });
  });
  it('a manifest with TDX expectations has one digest and reads back', async () => {
    const { manifest } = await simulatedNode({
      manifest: { reference_values: { worker: [soundTdxReference] } },
    });
    expect(toBase64url(await manifestDigest(encodeManifest(manifest)))).toHaveLength(43);
  });
});
