// Evidence and a fresh result: each alone is refused, and so is every result that somebody else could have made or kept.

import { SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { createAttestationService, NodeRevokedError } from '../../../backend/attestation-service/appraise.ts';
import { generateReceiptKey, type ReceiptKey } from '../../../backend/keys/receipt-key.ts';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { type AttestationBundle, encodeBundle } from '../../../shared/evidence/bundle.ts';
import type { NodeRole } from '../../../shared/evidence/node-core.ts';
import type { Manifest } from '../../../shared/manifest/manifest.ts';
import type { Policy } from '../../../shared/verifier/policy.ts';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { type Changes, measurement, now, simulatedNode } from '../../backend/tee/simulated-node.ts';

const values = [simulatedReferenceValue([toHex(measurement)])];
const manifest: Partial<Manifest> = {
  attestation_service: 'required',
  reference_values: { worker: values, 'attestation-service': values, all: values },
};
const noSurface = { routes: [], features: [], egress: 'none' } as const;
const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1000);

/** A bundle's parts with both of the two: a worker, and a service of its own. */
let parts: AttestationBundle;
let policy: Policy;
let serviceKey: ReceiptKey;

async function nodeOf(role: NodeRole, receiptKey = generateReceiptKey(), changes: Changes = {}) {
  const { core, ...rest } = changes;
  const surface = role === 'attestation-service' ? { surface: noSurface } : {};
  const made = await simulatedNode({
    manifest,
    core: { role, receiptKey: receiptKey.publicOctets, ...surface, ...core },
    ...rest,
  });
  return { ...made, receiptKey };
}

async function withService(role: NodeRole, changes: Changes = {}): Promise<AttestationBundle> {
  const { parts: service, receiptKey } = await nodeOf(role, undefined, changes);
  const vouching = await createAttestationService({ policy, key: receiptKey });
  const { result } = await vouching.appraise(encodeBundle(parts), now);
  return { ...parts, service: service.node, result };
}

beforeAll(async () => {
  const worker = await nodeOf('worker');
  ({ parts, policy } = worker);
  const service = await nodeOf('attestation-service');
  serviceKey = service.receiptKey;
  const vouching = await createAttestationService({
    policy,
    key: serviceKey,
    ownEvidence: () => service.parts.node,
  });
  const appraisal = await vouching.appraise(worker.bundle, now);
  if (appraisal.service === undefined) throw new Error('the service shows nothing of its own');
  parts = { ...parts, service: appraisal.service, result: appraisal.result };
});

async function codes(bundle: AttestationBundle, at = now, under = policy): Promise<readonly string[]> {
  const verification = await verifyBundle(encodeBundle(bundle), under, { now: at });
  return verification.ok ? [] : verification.failure.violations.map(({ code }) => code);
}

/** The result with other claims or another header, signed by the service itself. */
async function bent(
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
  key = serviceKey,
): Promise<AttestationBundle> {
  const [, payload = ''] = (parts.result ?? '').split('.');
  const body = { ...JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')), ...claims };
  const result = await new SignJWT(JSON.parse(JSON.stringify(body)))
    .setProtectedHeader({ alg: 'EdDSA', typ: 'eat+jwt', kid: 'k', ...header })
    .sign(key.signer);
  return { ...parts, result };
}
const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);

describe('both together', () => {
  it('pass, and the key ends with the result', async () => {
    const verification = await verifyBundle(encodeBundle(parts), policy, { now });
    if (!verification.ok) throw new Error(verification.failure.code);
    expect(verification.key.notAfter).toEqual(later(900));
    const names = verification.steps.map(({ name }) => name);
    expect(names).toContain('service.snp.report-signature');
    expect(names).toContain('service.policy.measurement');
    expect(names.slice(-6)).toEqual(
      [
        'result.header',
        'result.signature',
        'result.form',
        'result.validity',
        'result.subject',
        'result.devices',
        'result.status',
      ].slice(-6),
    );
  });
  it('pass in a node that is its own service, and are judged all the same', async () => {
    const { bundle, parts: all, receiptKey, policy: own } = await nodeOf('all');
    const { result } = await (await createAttestationService({ policy: own, key: receiptKey })).appraise(
      bundle,
      now,
    );
    expect(await codes({ ...all, result }, now, own)).toEqual([]);
    expect(await codes({ ...all, result }, later(901), own)).toEqual(['evidence_result_stale']);
    const stranger = await createAttestationService({ policy: own, key: generateReceiptKey() });
    const forged = await stranger.appraise(bundle, now);
    expect(await codes({ ...all, result: forged.result }, now, own)).toEqual(['evidence_result_signature']);
  });
  it('are not wanted where the manifest names no service, unless the policy wants one named', async () => {
    const { parts: alone, policy: lax } = await simulatedNode();
    expect(await codes(alone, now, lax)).toEqual([]);
    expect(await codes(alone, now, { ...lax, require_result: true })).toEqual(['policy_service_unnamed']);
  });
});

describe('one of the two alone is refused', () => {
  it('policy_result_absent: evidence without a result, whatever the policy says', async () => {
    const { result: _, ...alone } = parts;
    expect(await codes(alone)).toEqual(['policy_result_absent']);
    expect(await codes(alone, now, { ...policy, require_result: false })).toEqual(['policy_result_absent']);
  });
  it('a result without evidence', async () => {
    const { node: _, ...rest } = JSON.parse(new TextDecoder().decode(encodeBundle(parts)));
    const bundle = new TextEncoder().encode(
      JSON.stringify({ ...rest, node: { statement: 'AAAA', evidence: [] } }),
    );
    expect(await verifyBundle(bundle, policy, { now })).toMatchObject({
      failure: { code: 'evidence_bundle_malformed' },
    });
  });
  it('a good result beside bad evidence', async () => {
    const debug = await nodeOf('worker', undefined, { fault: 'debug' });
    expect(await codes({ ...parts, node: debug.parts.node })).toEqual([
      'policy_debug',
      'evidence_result_foreign',
    ]);
    const forged = await nodeOf('worker', undefined, { fault: 'forged-report' });
    expect(await codes({ ...parts, node: forged.parts.node })).toEqual(['evidence_report_signature']);
  });
});

describe('the result', () => {
  it('evidence_result_stale: older than a quarter of an hour, past its end, or made to last longer', async () => {
    expect(await codes(parts, later(900))).toEqual([]);
    expect(await codes(parts, later(901))).toEqual(['evidence_result_stale']);
    const long = await bent({ exp: seconds(later(86_400)) });
    expect(await codes(long, later(900))).toEqual([]);
    expect(await codes(long, later(901))).toEqual(['evidence_result_stale']);
    const short = await bent({ exp: seconds(later(10)) });
    expect(await codes(short, later(11))).toEqual(['evidence_result_stale']);
  });
  it('evidence_result_future: dated ahead, so that it would last longer', async () => {
    const ahead = (by: number) => bent({ iat: seconds(later(by)), exp: seconds(later(by + 900)) });
    expect(await codes(await ahead(60))).toEqual([]);
    expect(await codes(await ahead(61))).toEqual(['evidence_result_future']);
  });
  it('evidence_result_foreign: of another core, node, key list, receipt key or manifest', async () => {
    const other = toBase64url(new Uint8Array(32).fill(1));
    for (const claims of [
      { cloister_core: other },
      { cloister_keys: other },
      { cloister_manifest: other },
      { cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: other } } },
      { sub: toBase64url(new Uint8Array(16)) },
      { cloister_devices: [{ kind: 'nvidia-gpu', sha256: other }] },
    ])
      expect(await codes(await bent(claims)), JSON.stringify(claims)).toEqual(['evidence_result_foreign']);
  });
  it('evidence_result_foreign: the genuine result of another node', async () => {
    const other = await nodeOf('worker');
    const vouching = await createAttestationService({ policy, key: serviceKey });
    const { result } = await vouching.appraise(other.bundle, now);
    expect(await codes({ ...parts, result })).toEqual(['evidence_result_foreign']);
  });
  it('evidence_result_signature: by a key that nobody verified, or altered', async () => {
    expect(await codes(await bent({}, {}, generateReceiptKey()))).toEqual(['evidence_result_signature']);
    const [header, payload = '', signature] = (parts.result ?? '').split('.');
    const altered = Buffer.from(payload, 'base64url').toString('utf8').replace('"affirming"', '"affirming" ');
    const result = [header, Buffer.from(altered).toString('base64url'), signature].join('.');
    expect(await codes({ ...parts, result })).toEqual(['evidence_result_signature']);
  });
  it('evidence_result_signature: the node vouches for itself where it is only a worker', async () => {
    const worker = await nodeOf('worker');
    const itself = await createAttestationService({ policy, key: worker.receiptKey });
    const { result } = await itself.appraise(worker.bundle, now);
    expect(await codes({ ...parts, node: worker.parts.node, result })).toEqual(['evidence_result_signature']);
    expect(await codes({ ...worker.parts, result })).toEqual(['evidence_service_absent']);
    expect(await codes({ ...worker.parts, service: worker.parts.node, result })).toEqual([
      'policy_service_role',
    ]);
  });
  it('evidence_result_header: another algorithm, another kind of token, none, more than is known', async () => {
    const [, payload, signature] = (parts.result ?? '').split('.');
    const headers: object[] = [
      { alg: 'none', typ: 'eat+jwt', kid: 'k' },
      { alg: 'HS256', typ: 'eat+jwt', kid: 'k' },
      { alg: 'ES256', typ: 'eat+jwt', kid: 'k' },
      { alg: 'EdDSA', typ: 'cloister-registration+jwt', kid: 'k' },
      { alg: 'EdDSA', typ: 'JWT', kid: 'k' },
      { alg: 'EdDSA', kid: 'k' },
      { alg: 'EdDSA', typ: 'eat+jwt', kid: 'k', crit: ['b64'], b64: false },
      { alg: 'EdDSA', typ: 'eat+jwt', kid: 'k', jwk: {} },
    ];
    for (const header of headers) {
      const encoded = Buffer.from(JSON.stringify(header)).toString('base64url');
      const result = [encoded, payload, signature].join('.');
      expect(await codes({ ...parts, result }), JSON.stringify(header)).toEqual(['evidence_result_header']);
    }
  });
  it('a token that the same key signed for something else is none', async () => {
    expect(await codes(await bent({}, { typ: 'cloister-registration+jwt' }))).toEqual([
      'evidence_result_header',
    ]);
  });
  it('evidence_result_malformed: claims missing, of another profile, twice', async () => {
    for (const claims of [
      { eat_profile: 'tag:github.com,2023:veraison/ear' },
      { submods: {} },
      { cloister_core: undefined },
      { iat: 1.5 },
      { extra: 1 },
    ])
      expect(await codes(await bent(claims)), JSON.stringify(claims)).toEqual(['evidence_result_malformed']);
  });
  it('policy_result_status: anything but affirming, of any part', async () => {
    for (const status of ['none', 'warning', 'contraindicated']) {
      const part = (ear_status: string) => ({ ear_status, ear_appraisal_policy_ids: [] });
      const submods = { cpu: part('affirming'), 'gpu-0': part(status) };
      expect(await codes(await bent({ submods })), status).toEqual(['policy_result_status']);
    }
  });
  it('policy_result_status: hardware affirmed where a simulator was shown', async () => {
    expect(await codes(await bent({ cloister_assurance: 'hardware' }))).toEqual(['policy_result_status']);
  });
});

describe('the service', () => {
  it('evidence_service_absent: a result and nobody who shows to have signed it', async () => {
    const { service: _, ...rest } = parts;
    expect(await codes(rest)).toEqual(['evidence_service_absent']);
  });
  it('is held to the same steps as a node', async () => {
    expect(await codes(await withService('attestation-service'))).toEqual([]);
    for (const [fault, code] of [
      ['debug', 'policy_debug'],
      ['wrong-measurement', 'policy_measurement'],
      ['replayed', 'evidence_binding'],
      ['revoked', 'evidence_revoked'],
      ['foreign-root', 'evidence_root_unknown'],
    ] as const)
      expect(await codes(await withService('attestation-service', { fault })), fault).toEqual([code]);
  });
  it('whose statement has ended vouches for nothing', async () => {
    const ended = { core: { notAfter: later(-1) } };
    expect(await codes(await withService('attestation-service', ended))).toEqual([
      'evidence_core_not_valid_now',
    ]);
  });
  it('policy_core_manifest: runs under another manifest', async () => {
    const other = { core: { manifestDigest: new Uint8Array(32) } };
    expect(await codes(await withService('attestation-service', other))).toEqual(['policy_core_manifest']);
  });
  it('policy_surface: takes prompts, which a service must not', async () => {
    const surface = { core: { surface: { ...noSurface, routes: ['POST /v1/chat/completions'] } } };
    expect(await codes(await withService('attestation-service', surface))).toEqual(['policy_surface']);
  });
  it('policy_service_role: where the manifest has no reference values for that role', async () => {
    expect(await codes(await withService('worker'))).toEqual(['policy_service_role']);
    const narrow: Partial<Manifest> = {
      ...manifest,
      reference_values: { worker: values, 'attestation-service': values },
    };
    const worker = await nodeOf('worker', undefined, { manifest: narrow });
    const all = await nodeOf('all', undefined, { manifest: narrow });
    const vouching = await createAttestationService({ policy: worker.policy, key: all.receiptKey });
    const { result } = await vouching.appraise(worker.bundle, now);
    const bundle = { ...worker.parts, service: all.parts.node, result };
    expect(await codes(bundle, now, worker.policy)).toEqual(['policy_service_role']);
  });
  it('is no node to seal prompts to', async () => {
    const service = await nodeOf('attestation-service');
    const vouching = await createAttestationService({ policy, key: service.receiptKey });
    await expect(vouching.appraise(service.bundle, now)).rejects.toMatchObject({ code: 'policy_surface' });
  });
});

describe('a revoked node', () => {
  it('gets no result any more, and no other node is touched', async () => {
    const [one, other] = await Promise.all([
      nodeOf('worker'),
      nodeOf('worker', undefined, { core: { node: new Uint8Array(16) } }),
    ]);
    const vouching = await createAttestationService({ policy, key: serviceKey });
    await vouching.appraise(one.bundle, now);
    vouching.revoke(toBase64url(new Uint8Array(16).fill(7)));
    await expect(vouching.appraise(one.bundle, now)).rejects.toBeInstanceOf(NodeRevokedError);
    await vouching.appraise(other.bundle, now);
  });
});
