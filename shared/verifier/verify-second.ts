// The rule of two: evidence proves what a node is, a fresh result proves that nobody has revoked it since. Neither suffices alone.

import type { Bytes } from '../bytes/concat.ts';
import type { AttestationBundle } from '../evidence/bundle.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { compare, type StepLog, skipped } from './step.ts';
import type { GenuineNode, NodeTrust } from './verify-node.ts';
import { verifyResult } from './verify-result.ts';
import { verifyService } from './verify-service.ts';

/** The second of the two. */
export interface Second {
  readonly assurance: 'hardware' | 'simulated';
  /** When the result ends, or what the service itself relies on. */
  readonly notAfter: Date;
}

/**
 * Takes the step `result.presence`, then those of the service and its result. The manifest alone decides whether they are wanted: a
 * policy may insist on it, and cannot waive it. Undefined where the manifest names no service; a result is then not read.
 */
export async function verifySecond(
  log: StepLog,
  bundle: AttestationBundle,
  facts: {
    readonly node: GenuineNode;
    readonly manifest: Manifest;
    readonly manifestHash: Bytes;
    readonly trust: NodeTrust;
  },
): Promise<Second | undefined> {
  const { node, manifest, manifestHash, trust } = facts;
  const title = 'An attestation service vouches for the node as well';
  if (manifest.attestation_service === 'none') {
    log.judge('result.presence', title, () =>
      trust.policy.require_result
        ? {
            result: 'fail',
            code: 'policy_service_unnamed',
            expected: 'a manifest that names a service',
            actual: 'none',
          }
        : skipped('the manifest names none'),
    );
    return undefined;
  }
  const { result: jws } = bundle;
  log.judge('result.presence', title, () =>
    compare(
      jws !== undefined,
      'policy_result_absent',
      'a result with the evidence',
      jws === undefined ? 'evidence alone' : 'both',
    ),
  );
  if (jws === undefined) return undefined;
  const service = await verifyService(log, bundle.service, facts);
  const result = await verifyResult(log, jws, {
    node,
    serviceKey: service.core.receiptKey,
    manifestHash,
    now: trust.now,
  });
  const ends = [result.expiresAt.getTime(), service.notAfter.getTime()];
  return { assurance: service.assurance, notAfter: new Date(Math.min(...ends)) };
}
