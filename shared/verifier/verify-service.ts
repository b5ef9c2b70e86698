// The attestation service that a manifest names: its own statement and evidence, held to the same steps as a node's.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import type { NodeEvidence } from '../evidence/bundle.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { judgeBest } from './judge-node.ts';
import { compare, StepLog } from './step.ts';
import { type GenuineNode, type NodeTrust, verifyNode } from './verify-node.ts';

/**
 * The verified service, whose receipt key signs results. Without evidence of its own it can only be the node itself, where the node's
 * role is `all`; then what was verified and judged of the node stands for both. Otherwise takes the steps of a node under names
 * that begin with `service.`, stopping at the first cryptographic failure.
 */
export async function verifyService(
  log: StepLog,
  service: NodeEvidence | undefined,
  facts: {
    readonly node: GenuineNode;
    readonly manifest: Manifest;
    readonly manifestHash: Bytes;
    readonly trust: NodeTrust;
  },
): Promise<GenuineNode> {
  const { node, manifest, manifestHash, trust } = facts;
  if (service === undefined) {
    await log.must('service.identity', 'The attestation service shows evidence of its own', () =>
      compare(
        node.core.role === 'all',
        'evidence_service_absent',
        'a statement with evidence',
        node.core.role === 'all' ? 'the node itself, which is both' : 'none',
      ),
    );
    return node;
  }
  const steps = new StepLog('service.');
  let genuine: GenuineNode;
  try {
    genuine = await verifyNode(steps, service, trust);
    judgeService(steps, genuine, manifest, manifestHash, trust.policy.accept_milan);
  } finally {
    log.append(steps);
  }
  return genuine;
}

function judgeService(
  log: StepLog,
  { core, genuine, devices }: GenuineNode,
  manifest: Manifest,
  manifestHash: Bytes,
  acceptMilan: boolean,
): void {
  const { role } = core;
  const wanted = role === 'worker' ? [] : (manifest.reference_values[role] ?? []);
  log.judge('policy.role', 'The manifest lets this node be the attestation service', () =>
    compare(
      wanted.length > 0,
      'policy_service_role',
      'reference values for attestation-service or all',
      `${role}: ${wanted.length}`,
    ),
  );
  if (wanted.length > 0) log.append(judgeBest(genuine, devices, wanted, acceptMilan));
  log.judge('policy.core-manifest', 'The service runs under this manifest', () =>
    compare(
      equalBytes(core.manifestDigest, manifestHash),
      'policy_core_manifest',
      toBase64url(manifestHash),
      toBase64url(core.manifestDigest),
    ),
  );
  log.judge('policy.surface', 'A service that is only that takes no prompts', () =>
    compare(
      role !== 'attestation-service' ||
        (core.surface.routes.length === 0 && core.surface.features.length === 0),
      'policy_surface',
      'no inner routes',
      `${core.surface.routes.length} inner routes, ${core.surface.features.length} features`,
    ),
  );
}
