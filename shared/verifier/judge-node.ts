// A genuine node against manifest and policy: is it the guest, the deployment and the surface that was promised?

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import type { NodeCore } from '../evidence/node-core.ts';
import { type Deployment, deploymentDigest, parseDeployment } from '../manifest/deployment.ts';
import { deploymentOctets, type Manifest, type ReferenceValue } from '../manifest/manifest.ts';
import { POST_QUANTUM_KEMS, readKemIds } from '../wire/key-list-kems.ts';
import { gpuWantedBy, judgeEvidence } from './judge-evidence.ts';
import { judgeGpus } from './judge-gpus.ts';
import type { Policy } from './policy.ts';
import { compare, StepLog } from './step.ts';
import type { GenuineDevices } from './verify-devices.ts';
import type { GenuineEvidence } from './verify-evidence.ts';

/** A deployment of the manifest that a core names. */
export interface NamedDeployment {
  readonly name: string;
  readonly octets: Bytes;
  readonly deployment: Deployment;
}

/** The deployment whose digest the core carries, or undefined. */
export async function findDeployment(
  manifest: Manifest,
  core: NodeCore,
): Promise<NamedDeployment | undefined> {
  for (const entry of manifest.deployments) {
    const octets = deploymentOctets(entry);
    if (equalBytes(await deploymentDigest(octets), core.deploymentDigest))
      return { name: entry.name, octets, deployment: parseDeployment(octets) };
  }
  return undefined;
}

/** Takes all `policy.*` steps; every violation is kept. */
export function judgeNode(
  log: StepLog,
  facts: {
    readonly core: NodeCore;
    readonly manifest: Manifest;
    readonly manifestHash: Bytes;
    readonly deployment: NamedDeployment | undefined;
    readonly genuine: GenuineEvidence;
    readonly devices: GenuineDevices;
    readonly policy: Policy;
  },
): void {
  const { core, manifest, manifestHash, deployment, genuine, devices, policy } = facts;
  const wanted = manifest.reference_values[core.role] ?? [];
  log.judge('policy.role', 'The manifest has expectations for this role', () =>
    compare(wanted.length > 0, 'policy_role', 'reference values', `${core.role}: ${wanted.length}`),
  );
  log.append(judgeBest(genuine, devices, wanted, policy.accept_milan));

  log.judge('policy.core-manifest', 'The node runs under this manifest', () =>
    compare(
      equalBytes(core.manifestDigest, manifestHash),
      'policy_core_manifest',
      toBase64url(manifestHash),
      toBase64url(core.manifestDigest),
    ),
  );
  log.judge('policy.deployment', 'What it runs is a deployment of the manifest', () =>
    compare(
      deployment !== undefined,
      'policy_deployment',
      manifest.deployments.map(({ name }) => name).join(' or '),
      deployment?.name ?? `digest ${toBase64url(core.deploymentDigest)}`,
    ),
  );
  log.judge(
    'policy.surface',
    'It says that it offers exactly what the deployment does, and that its engine reaches nothing',
    () => {
      const routes = deployment?.deployment.routes ?? [];
      const features = deployment?.deployment.features ?? [];
      return compare(
        deployment !== undefined &&
          sameWords(routes, core.surface.routes) &&
          sameWords(features, core.surface.features) &&
          core.surface.egress === 'none',
        'policy_surface',
        describeSurface(routes, features),
        describeSurface(core.surface.routes, core.surface.features),
      );
    },
  );
  log.judge('policy.post-quantum', 'Its keys resist a quantum computer', () => {
    const kems = readKemIds(core.ohttpKeys);
    const shown = kems?.map((kem) => `0x${kem.toString(16).padStart(4, '0')}`).join(', ') ?? 'not a key list';
    if (kems === undefined)
      return { result: 'fail', code: 'policy_post_quantum', expected: 'a key list', actual: shown };
    if (!policy.require_post_quantum) return { result: 'skipped', actual: shown };
    return compare(
      kems.some((kem) => POST_QUANTUM_KEMS.has(kem)),
      'policy_post_quantum',
      [...POST_QUANTUM_KEMS].map((kem) => `0x${kem.toString(16)}`).join(' or '),
      shown,
    );
  });
}

/** A node fits when it meets all of one set of expectations. Where it fits none, the set that it comes closest to says why. */
export function judgeBest(
  genuine: GenuineEvidence,
  devices: GenuineDevices,
  wanted: readonly ReferenceValue[],
  acceptMilan: boolean,
): StepLog {
  // A set for another kind of processor fails at one check, but does not come close.
  const sameKind = wanted.filter(({ tee }) => tee === genuine.kind);
  let best: StepLog | undefined;
  for (const set of sameKind.length > 0 ? sameKind : wanted) {
    const log = new StepLog();
    judgeEvidence(log, genuine, set, acceptMilan);
    judgeGpus(log, devices, gpuWantedBy(set));
    if (best === undefined || log.violations.length < best.violations.length) best = log;
    if (best.violations.length === 0) break;
  }
  return best ?? new StepLog();
}

function sameWords(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && JSON.stringify([...a].sort()) === JSON.stringify([...b].sort());
}

function describeSurface(routes: readonly string[], features: readonly string[]): string {
  return `${routes.join(', ') || 'no route'}; ${features.join(', ') || 'no feature'}; egress none`;
}
