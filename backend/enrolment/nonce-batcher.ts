// Answers clients' nonces with fresh evidence: a quote is slow and hardware makes one at a time, so what arrives meanwhile shares the next.

import type { Bytes } from '../../shared/bytes/concat.ts';
import { inclusionProof, leafHash, merkleRoot } from '../../shared/bytes/merkle-tree.ts';
import type { NodeEvidence } from '../../shared/evidence/bundle.ts';
import { NONCE_BATCH_MAXIMUM, NONCE_OCTETS } from '../../shared/evidence/freshness-proof.ts';

/** More nonces wait already than one statement answers. */
export class NoncesBusyError extends Error {
  override readonly name = 'NoncesBusyError';
  readonly code = 'nonces_busy';
  constructor() {
    super('more nonces wait than one statement answers');
  }
}

interface Waiting {
  readonly nonce: Bytes;
  readonly resolve: (node: NodeEvidence) => void;
  readonly reject: (error: unknown) => void;
}

/** One per node. At most one quote is on its way, and at most one batch waits for it to end. */
export class NonceBatcher {
  readonly #vouch: (root: Bytes) => Promise<NodeEvidence>;
  readonly #maximum: number;
  #waiting: Waiting[] = [];
  #isQuoting = false;

  /** `vouch`: makes a statement whose freshness, of kind `nonces`, is this root, with its evidence. */
  constructor(vouch: (root: Bytes) => Promise<NodeEvidence>, maximum: number = NONCE_BATCH_MAXIMUM) {
    this.#vouch = vouch;
    this.#maximum = Math.min(maximum, NONCE_BATCH_MAXIMUM);
  }

  /**
   * A statement made after this call, with its evidence and the nonce's path.
   * @throws RangeError unless the nonce has 32 octets; NoncesBusyError when a whole batch waits already; TeeError as it comes.
   */
  answer(nonce: Bytes): Promise<NodeEvidence> {
    if (nonce.length !== NONCE_OCTETS) return Promise.reject(new RangeError('a nonce has 32 octets'));
    if (this.#waiting.length >= this.#maximum) return Promise.reject(new NoncesBusyError());
    const answered = new Promise<NodeEvidence>((resolve, reject) => {
      this.#waiting.push({ nonce: nonce.slice(), resolve, reject });
    });
    if (!this.#isQuoting) void this.#quote();
    return answered;
  }

  async #quote(): Promise<void> {
    this.#isQuoting = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        const leaves = await Promise.all(batch.map(({ nonce }) => leafHash(nonce)));
        const node = await this.#vouch(await merkleRoot(leaves));
        for (const [index, { resolve }] of batch.entries())
          resolve({ ...node, freshness: { kind: 'nonces', ...(await inclusionProof(leaves, index)) } });
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isQuoting = false;
  }
}
