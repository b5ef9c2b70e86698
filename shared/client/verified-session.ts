// Finds a node, verifies it, and keeps the verified key until it is about to expire. One verification at a time.

import { toBase64url } from '../bytes/base64url.ts';
import { sha256 } from '../bytes/digest.ts';
import { chooseKeyConfig, type KeyConfig, parseKeyConfigList } from '../sealing/key-config.ts';
import type { Suite } from '../sealing/suite.ts';
import type { Policy } from '../verifier/policy.ts';
import { VerificationError } from '../verifier/verification-error.ts';
import { type AttestedKey, type Step, verifyBundle } from '../verifier/verify-bundle.ts';
import { CloisterError } from './cloister-error.ts';
import { fetchBundle, listNodes } from './fetch-directory.ts';

/** Re-verify when this little is left of the statement's life, so that no request starts on a key about to go stale. */
const REFRESH_BEFORE_EXPIRY_MILLISECONDS = 60_000;

/** A node that verified a moment ago, and the configuration of its that requests are sealed to. */
export interface VerifiedNode {
  readonly key: AttestedKey;
  /** Every check with its result and duration, for whoever wants to show them. */
  readonly steps: readonly Step[];
  readonly config: KeyConfig;
  readonly suite: Suite;
  /** base64url SHA-256 of the configuration: the value of `cloister-key`. */
  readonly route: string;
  readonly verifiedAt: Date;
  /** The bundle's exact octets, to be kept or verified elsewhere. */
  readonly bundle: Uint8Array;
}

/** What a session needs. */
export interface SessionOptions {
  readonly origin: string;
  readonly policy: Policy;
  readonly fetchEdge: typeof fetch;
  readonly now: () => Date;
}

/** Holds at most one verified node. */
export class VerifiedSession {
  readonly #options: SessionOptions;
  #node: VerifiedNode | undefined;
  #verifying: Promise<VerifiedNode> | undefined;
  readonly #refused = new Set<string>();

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** The verified node, if there is one and it is fresh. */
  get current(): VerifiedNode | undefined {
    const node = this.#node;
    if (node === undefined) return undefined;
    const left = node.key.notAfter.getTime() - this.#options.now().getTime();
    return left > REFRESH_BEFORE_EXPIRY_MILLISECONDS ? node : undefined;
  }

  /**
   * A verified node: the current one, or after verifying anew. Concurrent calls share one verification.
   * @throws VerificationError when the nodes on offer were refused; CloisterError when there was none to verify.
   */
  async node(): Promise<VerifiedNode> {
    return this.current ?? this.refresh();
  }

  /** Verifies anew, now. */
  async refresh(): Promise<VerifiedNode> {
    this.#verifying ??= this.#verify().finally(() => {
      this.#verifying = undefined;
    });
    return this.#verifying;
  }

  /** Drops a node that answered "not started", and prefers others at the next verification. */
  drop(node: VerifiedNode): void {
    if (this.#node === node) this.#node = undefined;
    this.#refused.add(node.route);
  }

  async #verify(): Promise<VerifiedNode> {
    const { origin, fetchEdge } = this.#options;
    const listed = shuffle(await listNodes(origin, fetchEdge));
    let firstFailure: unknown;
    let secondChoice: VerifiedNode | undefined;
    for (const node of listed) {
      try {
        const verified = await this.#verifyOne(node);
        if (!this.#refused.has(verified.route)) return this.#keep(verified);
        secondChoice ??= verified;
      } catch (error) {
        firstFailure ??= error;
      }
    }
    this.#refused.clear();
    if (secondChoice !== undefined) return this.#keep(secondChoice);
    throw (
      firstFailure ??
      new CloisterError('no_node_available', 'The edge’s directory lists no node. Nothing was sent.')
    );
  }

  #keep(node: VerifiedNode): VerifiedNode {
    this.#node = node;
    return node;
  }

  async #verifyOne(node: string): Promise<VerifiedNode> {
    const { origin, fetchEdge, policy, now } = this.#options;
    const bundle = await fetchBundle(origin, node, fetchEdge);
    const verifiedAt = now();
    const verification = await verifyBundle(bundle, policy, { now: verifiedAt });
    if (!verification.ok) throw new VerificationError(verification.failure);
    const { key, steps } = verification;
    const { config, suite } = chooseKeyConfig(parseKeyConfigList(key.ohttpKeys), {
      requirePostQuantum: policy.require_post_quantum,
    });
    return {
      key,
      steps,
      config,
      suite,
      route: toBase64url(await sha256(config.encoded)),
      verifiedAt,
      bundle,
    };
  }
}

// Spreads clients over nodes; nothing secret hangs on it, so the bias of a modulo does not matter.
function shuffle(nodes: readonly string[]): string[] {
  const shuffled = [...nodes];
  const random = crypto.getRandomValues(new Uint32Array(shuffled.length));
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = (random[i] ?? 0) % (i + 1);
    [shuffled[i], shuffled[j]] = [shuffled[j] as string, shuffled[i] as string];
  }
  return shuffled;
}
