// What travels beside a statement to show how young it is: where a client's nonce stands in the batch, or the cosigned checkpoint.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import type { InclusionProof } from '../bytes/merkle-tree.ts';
import { byMember, integer, list, object, octets, oneOf, type Shape } from '../bytes/shape.ts';

/** Nonces that one statement answers at most. */
export const NONCE_BATCH_MAXIMUM = 1024;
/** A client's nonce. */
export const NONCE_OCTETS = 32;
/** A tree of that many leaves is no higher. */
const PATH_MAXIMUM = 10;
const CHECKPOINT_MAXIMUM_BYTES = 16 * 1024;

/** The inclusion of one nonce, which the client knows and nobody has to repeat. */
export interface NonceProof extends InclusionProof {
  readonly kind: 'nonces';
}

/** A signed note (C2SP tlog-checkpoint) with the witnesses' cosignatures: exact octets, whose SHA-256 is the freshness. */
export interface CheckpointProof {
  readonly kind: 'checkpoint';
  readonly note: Bytes;
}

export type FreshnessProof = NonceProof | CheckpointProof;

const nonces: Shape<NonceProof> = object<NonceProof>({
  kind: oneOf('nonces'),
  index: integer(0, NONCE_BATCH_MAXIMUM - 1),
  size: integer(1, NONCE_BATCH_MAXIMUM),
  path: list(octets(32), 0, PATH_MAXIMUM),
});
const checkpoint: Shape<CheckpointProof> = object<CheckpointProof>({
  kind: oneOf('checkpoint'),
  note: octets(1, CHECKPOINT_MAXIMUM_BYTES),
});

/** Shape of a proof in a bundle. */
export const freshnessProofShape: Shape<FreshnessProof> = byMember<FreshnessProof>('kind', 'nonces', {
  nonces,
  checkpoint,
});

/** A proof as JSON. */
export function encodeFreshnessProof(proof: FreshnessProof): object {
  return proof.kind === 'nonces'
    ? { kind: proof.kind, index: proof.index, size: proof.size, path: proof.path.map(toBase64url) }
    : { kind: proof.kind, note: toBase64url(proof.note) };
}
