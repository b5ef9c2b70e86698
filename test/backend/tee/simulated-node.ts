// A simulated node for tests: one platform per run, a manifest that fits it, and bundles with whatever is wrong with them.

import { randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SimulatedFault } from '../../../backend/tee/simulated/faults.ts';
import { loadSimulatedPlatform, type SimulatedPlatform } from '../../../backend/tee/simulated/platform.ts';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { createSimulatedTee } from '../../../backend/tee/simulated/tee.ts';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { type AttestationBundle, encodeBundle, type SnpEvidence } from '../../../shared/evidence/bundle.ts';
import { type DeviceEvidence, deviceDigestOf } from '../../../shared/evidence/device-evidence.ts';
import { coreDigest, encodeCore, type NodeCore } from '../../../shared/evidence/node-core.ts';
import {
  encodeStatement,
  type NodeStatement,
  reportDataOf,
} from '../../../shared/evidence/node-statement.ts';
import { gpuNonceOf } from '../../../shared/evidence/nvidia-report.ts';
import { type Deployment, deploymentDigest, encodeDeployment } from '../../../shared/manifest/deployment.ts';
import { encodeManifest, type Manifest, manifestDigest } from '../../../shared/manifest/manifest.ts';
import type { Policy } from '../../../shared/verifier/policy.ts';

export const now = new Date('2026-11-23T12:00:00Z');
export const random = (octets: number): Bytes => new Uint8Array(randomBytes(octets));
export const measurement: Bytes = new Uint8Array(48).fill(0x5a);

const FOLDER = 'cloister-test-platform-';
let loading: Promise<SimulatedPlatform> | undefined;

/** The platform of this run, shared by its workers in the temporary folder, because RSA-4096 keys take seconds. */
export function testPlatform(): Promise<SimulatedPlatform> {
  loading ??= loadTestPlatform();
  return loading;
}

async function loadTestPlatform(): Promise<SimulatedPlatform> {
  for (const name of await readdir(tmpdir()))
    if (name.startsWith(FOLDER) && !isRunning(Number(name.slice(FOLDER.length))))
      await rm(join(tmpdir(), name), { recursive: true, force: true });
  return loadSimulatedPlatform(join(tmpdir(), `${FOLDER}${process.ppid}`), { now, random });
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

export const deployment: Deployment = {
  version: 1,
  model: { id: 'tiny', sha256: '11'.repeat(32), bytes: 1000 },
  engine: { kind: 'node-llama-cpp', digest: '22'.repeat(32) },
  sandbox: { driver: 'landlock', profile_digest: '33'.repeat(32) },
  isolation: 'shared',
  routes: ['POST /v1/chat/completions', 'GET /v1/models'],
  features: ['streaming'],
};

/** One configuration with the KEM id 0x647a and one with 0x0020; the keys in them are not read here. */
export const keyList: Bytes = Uint8Array.from([0, 5, 1, 0x64, 0x7a, 9, 9, 0, 5, 2, 0x00, 0x20, 9, 9]);

/** What a test wants to be different. */
export interface Changes {
  /** Another chip. */
  readonly platform?: SimulatedPlatform;
  readonly fault?: SimulatedFault;
  readonly manifest?: Partial<Manifest>;
  readonly manifestOctets?: Bytes;
  readonly core?: Partial<NodeCore>;
  readonly coreOctets?: Bytes;
  readonly statement?: Partial<NodeStatement>;
  readonly bundle?: Partial<AttestationBundle>;
  readonly policy?: Partial<Policy>;
  readonly evidenceTimes?: number;
  /** Devices that answer a nonce; the statement names them. */
  readonly devices?: (nonce: Bytes) => readonly DeviceEvidence[] | Promise<readonly DeviceEvidence[]>;
}

/** A bundle with its policy: sound without changes. */
export async function simulatedNode(
  changes: Changes = {},
): Promise<{ bundle: Bytes; parts: AttestationBundle; policy: Policy; manifest: Manifest }> {
  const platform = changes.platform ?? (await testPlatform());
  const document = encodeDeployment(deployment);
  const manifest: Manifest = {
    version: 1,
    service: 'local',
    serial: 1,
    previous: 'none',
    not_after: '2027-01-01T00:00:00Z',
    owners: [],
    threshold: 0,
    seed_shares: { owners: [], threshold: 0 },
    witnesses: { keys: [], threshold: 0 },
    attestation_service: 'none',
    reference_values: { worker: [simulatedReferenceValue([toHex(measurement)])] },
    deployments: [{ name: 'tiny', document: toBase64url(document) }],
    secrets: [],
    key_epoch: { seconds: 3600, overlap_seconds: 3600 },
    ...changes.manifest,
  };
  const manifestOctets = changes.manifestOctets ?? encodeManifest(manifest);
  const digest = await manifestDigest(manifestOctets);
  const times = {
    notBefore: new Date(now.getTime() - 60_000),
    notAfter: new Date(now.getTime() + 3_600_000),
  };
  const core =
    changes.coreOctets ??
    encodeCore({
      version: 1,
      node: new Uint8Array(16).fill(7),
      role: 'worker',
      ohttpKeys: keyList,
      receiptKey: new Uint8Array(32).fill(8),
      manifestDigest: digest,
      deploymentDigest: await deploymentDigest(document),
      probeDigest: new Uint8Array(32).fill(9),
      surface: { routes: deployment.routes, features: deployment.features, egress: 'none' },
      ...times,
      ...changes.core,
    });
  const freshness = { kind: 'epoch', value: random(32) } as const;
  const devices = await changes.devices?.(await gpuNonceOf(await coreDigest(core), freshness.value));
  const statement = encodeStatement({
    version: 1,
    core,
    freshness,
    devices: await Promise.all(
      (devices ?? []).map(async (device) => ({ kind: device.kind, sha256: await deviceDigestOf(device) })),
    ),
    ...times,
    ...changes.statement,
  });
  const tee = createSimulatedTee({ platform, measurement, fault: changes.fault });
  const evidence = await tee.attest({ reportData: await reportDataOf(statement) });
  const parts: AttestationBundle = {
    version: 1,
    manifest: manifestOctets,
    node: {
      statement,
      evidence: Array.from({ length: changes.evidenceTimes ?? 1 }, () => evidence),
      ...(devices && devices.length > 0 ? { devices } : {}),
    },
    ...changes.bundle,
  };
  const policy: Policy = {
    version: 1,
    manifest: { pin: 'digest', digest: toBase64url(digest) },
    roots: { hardware: false, simulated: [platform.rootSpkiSha256] },
    require_post_quantum: true,
    require_result: false,
    accept_milan: false,
    ...changes.policy,
  };
  return { bundle: encodeBundle(parts), parts, policy, manifest };
}

/** The CPU's evidence in a simulated node's bundle. */
export function snpEvidenceOf({ node }: AttestationBundle): SnpEvidence {
  const [evidence] = node.evidence;
  if (evidence?.kind !== 'sev-snp') throw new Error('no SEV-SNP evidence');
  return evidence;
}
