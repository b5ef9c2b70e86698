// Puts the next version of the manifest into force in a running node: new epochs name it, and the old ones end in their time.

import { equalBytes } from '../shared/bytes/equal.ts';
import { ManifestError } from '../shared/manifest/manifest-error.ts';
import type { Policy } from '../shared/verifier/policy.ts';
import type { LogEvent } from './node-event.ts';
import { type NodeManifest, NodeManifestError, readManifest, readNextManifest } from './read-manifest.ts';

/** Where a node's manifest comes from, and by what it is judged. */
export interface ManifestSource {
  readonly path: string;
  /** Name of the deployment that this node runs. */
  readonly deployment: string;
  /** Of the attestation service beside this node: one that pins a digest has no next version. */
  readonly policy: Policy;
  readonly now: () => Date;
  readonly log: LogEvent;
}

/** What of the epochs this needs. */
interface Epochs {
  readonly current: { readonly parts: { readonly manifest: Uint8Array } };
  rotate(): Promise<void>;
}

/** The manifest that new epochs are made under. */
export class ManifestInForce {
  readonly #source: ManifestSource;
  #current: NodeManifest;
  #following: Promise<void> = Promise.resolve();

  private constructor(source: ManifestSource, first: NodeManifest) {
    this.#source = source;
    this.#current = first;
  }

  /** Reads it for the first time. Throws as `readManifest` does: a node does not start without. */
  static async begin(source: ManifestSource): Promise<ManifestInForce> {
    return new ManifestInForce(source, await readManifest(source.path, source.deployment, source.now()));
  }

  get current(): NodeManifest {
    return this.#current;
  }

  /**
   * Reads it again and, when a version follows, starts an epoch under it. A version that does not hold is logged, and the node goes on
   * under the one in force. Calls are taken one after the other.
   */
  follow(epochs: Epochs): Promise<void> {
    this.#following = this.#following.then(() => this.#follow(epochs));
    return this.#following;
  }

  async #follow(epochs: Epochs): Promise<void> {
    const { path, deployment, policy, now, log } = this.#source;
    try {
      const next = await readNextManifest(path, deployment, this.#current, now());
      if (next === undefined) return;
      if (policy.manifest.pin === 'digest')
        throw new NodeManifestError('manifest_needs_restart', 'the policy here pins the manifest in force');
      this.#current = next;
      // An epoch that was prepared before still names the old version: it comes into force, and gives way at once.
      for (let i = 0; i < 2 && !equalBytes(epochs.current.parts.manifest, next.manifest); i++)
        await epochs.rotate();
      log({ event: 'manifest_in_force', serial: next.opened.manifest.serial });
    } catch (error) {
      const known = error instanceof NodeManifestError || error instanceof ManifestError;
      log({ event: 'manifest_refused', code: known ? error.code : 'manifest_unreadable' });
    }
  }
}
