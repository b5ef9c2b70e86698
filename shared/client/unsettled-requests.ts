// Requests that ended without an answer, so that an SDK's own retry of one goes out under the same key and to the same node.

import { toBase64url } from '../bytes/base64url.ts';
import { concat } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import { INNER_HEADER } from '../wire/header-names.ts';
import type { VerifiedNode } from './verified-session.ts';

/** The SDKs of OpenAI and their kin number their attempts; a first one is 0 or has no number. */
const ATTEMPT_HEADER = 'x-stainless-retry-count';
const KEY_OCTETS = 16;
/** The oldest is forgotten; its retry then counts as a new request. */
const MOST_REMEMBERED = 256;

/** How an attempt at a request is to be sent. */
export interface Attempt {
  readonly idempotencyKey: string;
  /** The node of which nobody knows whether it began, after an attempt that ended so. */
  readonly startedMaybeOn: VerifiedNode | undefined;
  /** Remembers that this attempt ended without an answer, so that the caller's next one continues it. */
  remember(node: VerifiedNode | undefined): void;
}

/** Remembers digests, keys and nodes; no content. */
export class UnsettledRequests {
  /** By digest of the request: one entry for each call that ended so, because equal requests may run side by side. */
  readonly #ended = new Map<string, { readonly key: string; readonly node: VerifiedNode | undefined }[]>();
  #count = 0;

  /**
   * The attempt that a call is: the continuation of one that ended unsettled when the caller gave the same key again or says that it retries,
   * else a new one. The caller's own `idempotency-key` is kept.
   */
  async begin(request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Headers;
    readonly body: Uint8Array;
  }): Promise<Attempt> {
    const own = request.headers.get(INNER_HEADER.idempotencyKey) ?? undefined;
    const head = toUtf8(`${request.method} ${request.path}\n${own ?? ''}\n`);
    const digest = toBase64url(await sha256(concat(head, request.body)));
    const retries = Number(request.headers.get(ATTEMPT_HEADER) ?? 0) > 0;
    const earlier = own !== undefined || retries ? this.#take(digest) : undefined;
    const idempotencyKey =
      own ?? earlier?.key ?? toBase64url(crypto.getRandomValues(new Uint8Array(KEY_OCTETS)));
    return {
      idempotencyKey,
      startedMaybeOn: earlier?.node,
      remember: (node) => this.#put(digest, { key: idempotencyKey, node }),
    };
  }

  #take(digest: string) {
    const entries = this.#ended.get(digest);
    const entry = entries?.pop();
    if (entry !== undefined) this.#count--;
    if (entries?.length === 0) this.#ended.delete(digest);
    return entry;
  }

  #put(digest: string, entry: { readonly key: string; readonly node: VerifiedNode | undefined }): void {
    this.#ended.set(digest, [...(this.#ended.get(digest) ?? []), entry]);
    this.#count++;
    // A Map keeps the order of insertion.
    for (const oldest of this.#ended.keys()) {
      if (this.#count <= MOST_REMEMBERED) return;
      this.#take(oldest);
    }
  }
}
