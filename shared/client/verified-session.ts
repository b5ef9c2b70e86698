// Finds a node, verifies it, and keeps it fresh. One verification at a time.

import { toBase64url } from '../bytes/base64url.ts';
import { sha256 } from '../bytes/digest.ts';
import { NONCE_OCTETS } from '../evidence/freshness-proof.ts';
import { chooseKeyConfig, type KeyConfig, parseKeyConfigList } from '../sealing/key-config.ts';
import type { Suite } from '../sealing/suite.ts';
import type { Policy } from '../verifier/policy.ts';
import { rememberSignatures } from '../verifier/remember-signatures.ts';
import { VerificationError } from '../verifier/verification-error.ts';
import { type VerifierCrypto, webCrypto } from '../verifier/verifier-crypto.ts';
import type { AttestedKey, Step } from '../verifier/verify-bundle.ts';
import { BlobStore } from './blob-store.ts';
import { CloisterError } from './cloister-error.ts';
import { fetchBundle, fetchFreshBundle, listNodeHints, type NodeHint } from './fetch-directory.ts';
import type { ManifestMemory } from './manifest-memory.ts';
import { type OnManifestChange, verifyRemembering } from './verify-remembering.ts';

/** No request starts on a key with less than this left, or a quarter of a short life: it might be erased on the way. */
const LEAST_LEFT_MILLISECONDS = 60_000;
const LEAST_LEFT_SHARE = 1 / 4;
/** From here on a request still uses the key, and a verification begins beside it, so that nobody waits for one. */
const REFRESH_SHARE = 1 / 2;
/** How long a node that did not take a request is the last choice. */
const AVOID_MILLISECONDS = 30_000;

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
  /** The highest versions of manifests that were seen. */
  readonly memory: ManifestMemory;
  readonly onManifestChange?: OnManifestChange | undefined;
  /** Checks the signatures of evidence. Default: WebCrypto. */
  readonly verifierCrypto?: VerifierCrypto;
  /** `nonce`: every verification has the node answer a nonce drawn for it. Default: the evidence that the edge holds. */
  readonly freshness?: 'nonce' | undefined;
}

/** Holds at most one verified node. */
export class VerifiedSession {
  readonly #options: SessionOptions;
  #node: VerifiedNode | undefined;
  #verifying: Promise<VerifiedNode> | undefined;
  /** Route → when it may be chosen again, in milliseconds since the epoch. */
  readonly #avoided = new Map<string, number>();
  readonly #blobs = new BlobStore();
  /** Chains and lists come back with every verification; what held once holds. */
  readonly #crypto: VerifierCrypto;
  readonly #relocating = new Map<string, Promise<VerifiedNode>>();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#crypto = rememberSignatures(options.verifierCrypto ?? webCrypto);
  }

  /** The verified node, if there is one and it is fresh. */
  get current(): VerifiedNode | undefined {
    const node = this.#node;
    if (node === undefined) return undefined;
    const { left, life } = this.#lifeOf(node);
    return left > Math.min(LEAST_LEFT_MILLISECONDS, life * LEAST_LEFT_SHARE) ? node : undefined;
  }

  /**
   * A verified node: the current one, or after verifying anew. Concurrent calls share one verification.
   * @throws VerificationError when the nodes on offer were refused; CloisterError when there was none to verify.
   */
  async node(): Promise<VerifiedNode> {
    const current = this.current;
    if (current === undefined) return this.refresh();
    const { left, life } = this.#lifeOf(current);
    // When it fails, the next request tries again; one that finds nothing fresh any more hears why.
    if (left < life * REFRESH_SHARE) this.refresh().catch(() => {});
    return current;
  }

  /** Verifies anew, now; the same node if it is still good. */
  async refresh(): Promise<VerifiedNode> {
    this.#verifying ??= this.#verify().finally(() => {
      this.#verifying = undefined;
    });
    return this.#verifying;
  }

  /** Drops a node that did not take a request, and prefers others for a while. */
  drop(node: VerifiedNode): void {
    if (this.#node === node) this.#node = undefined;
    this.#avoided.set(node.route, this.#options.now().getTime() + AVOID_MILLISECONDS);
  }

  /**
   * The same node as the directory has it now: as it is while its key is on offer, verified anew when it has others, undefined when
   * the directory has dropped it.
   * @throws VerificationError, CloisterError as for `node`.
   */
  async relocate(node: VerifiedNode): Promise<VerifiedNode | undefined> {
    const { origin, fetchEdge } = this.#options;
    const listed = (await listNodeHints(origin, fetchEdge)).find((hint) => hint.node === node.key.node);
    if (listed === undefined) return undefined;
    return listed.keys.includes(node.route) ? node : this.reverify(node);
  }

  /** Verifies the same node anew, whatever it is now. Concurrent calls share one verification. */
  reverify(node: VerifiedNode): Promise<VerifiedNode> {
    const id = node.key.node;
    let verifying = this.#relocating.get(id);
    if (verifying === undefined) {
      verifying = this.#verifyOne(id)
        .then((verified) => {
          if (this.#node === undefined || this.#node.key.node === id) this.#keep(verified);
          return verified;
        })
        .finally(() => this.#relocating.delete(id));
      this.#relocating.set(id, verifying);
    }
    return verifying;
  }

  async #verify(): Promise<VerifiedNode> {
    const { origin, fetchEdge } = this.#options;
    let firstFailure: unknown;
    let lastChoice: VerifiedNode | undefined;
    for (const { node } of this.#inOrder(await listNodeHints(origin, fetchEdge))) {
      try {
        const verified = await this.#verifyOne(node);
        if (!this.#isAvoided(verified)) return this.#keep(verified);
        lastChoice ??= verified;
      } catch (error) {
        firstFailure ??= error;
      }
    }
    if (lastChoice !== undefined) return this.#keep(lastChoice);
    throw (
      firstFailure ??
      new CloisterError('no_node_available', 'The edge’s directory lists no node. Nothing was sent.')
    );
  }

  /** The node in use first, because it may have what this session asked before in its cache; then at random. */
  #inOrder(listed: readonly NodeHint[]): readonly NodeHint[] {
    const own = this.#node?.key.node;
    const shuffled = shuffle(listed);
    return [...shuffled.filter(({ node }) => node === own), ...shuffled.filter(({ node }) => node !== own)];
  }

  #isAvoided(node: VerifiedNode): boolean {
    const now = this.#options.now().getTime();
    for (const [route, until] of this.#avoided) if (until <= now) this.#avoided.delete(route);
    return this.#avoided.has(node.route);
  }

  /** Milliseconds. */
  #lifeOf({ key, verifiedAt }: VerifiedNode): { left: number; life: number } {
    const end = key.notAfter.getTime();
    return { left: end - this.#options.now().getTime(), life: end - verifiedAt.getTime() };
  }

  #keep(node: VerifiedNode): VerifiedNode {
    this.#node = node;
    return node;
  }

  async #verifyOne(node: string): Promise<VerifiedNode> {
    const { origin, fetchEdge, policy, now, memory, onManifestChange, freshness } = this.#options;
    const nonce = freshness === 'nonce' ? crypto.getRandomValues(new Uint8Array(NONCE_OCTETS)) : undefined;
    const directory = { origin, fetchEdge, blobs: this.#blobs };
    const bundle = nonce
      ? await fetchFreshBundle(directory, node, nonce)
      : await fetchBundle(directory, node);
    const verifiedAt = now();
    const verification = await verifyRemembering(
      bundle,
      policy,
      {
        now: verifiedAt,
        crypto: this.#crypto,
        ...(nonce && { freshness: { kind: 'nonce', nonce } }),
      },
      { memory, origin, onManifestChange },
    );
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
function shuffle<T>(items: readonly T[]): T[] {
  const shuffled = [...items];
  const random = crypto.getRandomValues(new Uint32Array(shuffled.length));
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = (random[i] ?? 0) % (i + 1);
    [shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T];
  }
  return shuffled;
}
