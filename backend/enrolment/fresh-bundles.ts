// Bundles of the current epoch that answer a client's nonce: the same core and the same result, a younger statement.

import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import { encodeBundle } from '../../shared/evidence/bundle.ts';
import { NONCE_BATCH_MAXIMUM } from '../../shared/evidence/freshness-proof.ts';
import type { Affirmations } from './affirm.ts';
import type { Epoch } from './make-epoch.ts';
import { NonceBatcher } from './nonce-batcher.ts';
import { type Vouchers, vouchForCore } from './vouch-for-core.ts';

/**
 * Answers a nonce of 32 octets with a bundle's exact octets.
 * @throws RangeError, NoncesBusyError, TeeError as they come.
 */
export type FreshBundles = (nonce: Bytes) => Promise<Bytes>;

/** `epoch`: the one on offer. A result is taken as it is at hand: renewing it is registration's work, which no stranger can hurry. */
export function makeFreshBundles(parts: {
  readonly epoch: () => Epoch;
  readonly affirmations: Affirmations;
  readonly vouchers: Vouchers;
  /** Nonces that one statement answers. */
  readonly batch?: number;
}): FreshBundles {
  const { epoch: current, affirmations, vouchers, batch = NONCE_BATCH_MAXIMUM } = parts;
  const batchers = new WeakMap<Epoch, NonceBatcher>();
  return async (nonce) => {
    const epoch = current();
    let batcher = batchers.get(epoch);
    if (batcher === undefined) {
      const { core, notBefore, notAfter } = epoch;
      batcher = new NonceBatcher(
        (value) =>
          vouchForCore({ core, freshness: { kind: 'nonces', value }, notBefore, notAfter }, vouchers),
        batch,
      );
      batchers.set(epoch, batcher);
    }
    const node = await batcher.answer(concat(nonce));
    const affirmed = affirmations.latest(epoch)?.parts ?? epoch.parts;
    return encodeBundle({ ...affirmed, node });
  };
}
