// Appraises a node's bundle and issues the attestation result that a client wants beside the evidence.

import { calculateJwkThumbprint, type JSONWebKeySet, SignJWT } from 'jose';
import { toBase64url } from '../../shared/bytes/base64url.ts';
import { sha256 } from '../../shared/bytes/digest.ts';
import {
  claimsOf,
  RESULT_HEADER_TYPE,
  RESULT_LIFE_SECONDS,
  type ResultStatus,
} from '../../shared/evidence/attestation-result.ts';
import type { NodeEvidence } from '../../shared/evidence/bundle.ts';
import type { Policy } from '../../shared/verifier/policy.ts';
import { VerificationError } from '../../shared/verifier/verification-error.ts';
import { appraiseNode, type Step, type VerificationContext } from '../../shared/verifier/verify-bundle.ts';
import type { ReceiptKey } from '../keys/receipt-key.ts';

const VERIFIER_ID = { developer: 'Cloister', build: '0.1.0' };

/** An attestation service: its public keys, and appraisal. */
export interface AttestationService {
  readonly jwks: JSONWebKeySet;
  /**
   * Verifies the bundle as a client would, and issues a result for the node in it, for 15 minutes.
   * @throws VerificationError when any step refuses; NodeRevokedError for a node that was revoked.
   */
  appraise(bundle: Uint8Array, now: Date): Promise<Appraisal>;
  /**
   * No result is issued for this node any more. What was issued ends within 15 minutes, whatever an edge keeps handing out. `node`:
   * base64url node id. There is no way back: a node that is trusted again starts anew, with another id.
   */
  revoke(node: string): void;
}

export interface Appraisal {
  /** Compact JWS, EdDSA, `typ` `eat+jwt`. */
  readonly result: string;
  /** What shows who signed it; undefined where the appraised node is the service. */
  readonly service: NodeEvidence | undefined;
  readonly steps: readonly Step[];
}

/** The service does not vouch for this node any more. */
export class NodeRevokedError extends Error {
  override readonly name = 'NodeRevokedError';
  readonly code = 'node_revoked';
  constructor() {
    super('the attestation service does not vouch for this node any more');
  }
}

/** What a service is made of. */
export interface ServiceParts {
  /** What it appraises by: the same that its clients trust. */
  readonly policy: Policy;
  /**
   * The signing key of the node that the service is: the receipt key of its core. That core, verified, is what a client's trust in a
   * result rests on.
   */
  readonly key: ReceiptKey;
  /** The service's own statement and evidence, current; absent where the service is the node that it appraises (role `all`). */
  readonly ownEvidence?: () => NodeEvidence;
  /** Roots and such for appraisal; default as in the verifier. */
  readonly context?: Omit<VerificationContext, 'now'>;
}

/** Makes a service. */
export async function createAttestationService(parts: ServiceParts): Promise<AttestationService> {
  const { policy, key, ownEvidence, context } = parts;
  const kid = await calculateJwkThumbprint(key.publicJwk);
  const revoked = new Set<string>();
  return {
    jwks: { keys: [{ ...key.publicJwk, kid, alg: 'EdDSA', use: 'sig' }] },
    revoke(node) {
      revoked.add(node);
    },
    async appraise(bundle, now) {
      const appraisal = await appraiseNode(bundle, policy, { ...context, now });
      if (!appraisal.ok) throw new VerificationError(appraisal.failure);
      const { node, steps } = appraisal;
      const { core, statement } = node;
      if (revoked.has(toBase64url(core.node))) throw new NodeRevokedError();
      const issuedAt = new Date(Math.floor(now.getTime() / 1000) * 1000);
      const claims = claimsOf(
        {
          node: core.node,
          issuedAt,
          expiresAt: new Date(issuedAt.getTime() + RESULT_LIFE_SECONDS * 1000),
          verifier: VERIFIER_ID,
          statuses: statusesOf(statement.devices.map(({ kind }) => kind)),
          coreDigest: node.coreDigest,
          keysDigest: await sha256(core.ohttpKeys),
          manifestDigest: node.manifestDigest,
          receiptKey: core.receiptKey,
          devices: statement.devices,
          assurance: node.assurance,
        },
        `urn:cloister:attestation-service:${kid}`,
      );
      const result = await new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'EdDSA', typ: RESULT_HEADER_TYPE, kid })
        .sign(key.signer);
      return { result, service: ownEvidence?.(), steps };
    },
  };
}

// A part that was not affirmed has refused the whole: there is no result with a lesser tier.
function statusesOf(devices: readonly string[]): Record<string, ResultStatus> {
  const parts = ['cpu', ...devices.map((kind, index) => `${kind}-${index}`)];
  return Object.fromEntries(parts.map((part) => [part, 'affirming' as const]));
}
