// Derives the salt that keeps one session's prompts out of another's prefix cache, and out of its timing.

import { createHmac } from 'node:crypto';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';

const LABEL = toUtf8('cloister cache salt v1\0');
const KEY_OCTETS = 32;

/**
 * Salts of one node. The same session has the same salt as long as the node runs; without a session every request has its own. The engine learns
 * nothing of the session's secret from it, and no client can choose one.
 */
export class CacheSalts {
  readonly #key: Bytes;
  readonly #random: (octets: number) => Bytes;

  constructor(random: (octets: number) => Bytes) {
    this.#random = random;
    this.#key = random(KEY_OCTETS);
  }

  /** HMAC-SHA256(node's key, "cloister cache salt v1" ‖ 00 ‖ session), or 32 random octets; base64url, 43 characters. */
  saltOf(session: string | undefined): string {
    if (session === undefined) return Buffer.from(this.#random(KEY_OCTETS)).toString('base64url');
    return createHmac('sha256', this.#key).update(LABEL).update(session).digest('base64url');
  }
}
