// Parts of bundles by their digest: fetched once, checked, kept for as long as there is room.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';

const MAXIMUM_BYTES = 4 * 1024 * 1024;

/** Octets whose digest is their name: what is here was checked, and cannot be out of date. */
export class BlobStore {
  // A Map keeps the order of insertion: the first key is the one that was used longest ago.
  readonly #octets = new Map<string, Bytes>();
  #bytes = 0;

  /** The octets with this base64url SHA-256, if they are here. */
  get(digest: string): Bytes | undefined {
    const octets = this.#octets.get(digest);
    if (octets === undefined) return undefined;
    this.#octets.delete(digest);
    this.#octets.set(digest, octets);
    return octets;
  }

  /** Whether the octets have this digest; if so they are kept, and the oldest go until all fit. */
  async admit(digest: string, octets: Bytes): Promise<boolean> {
    if (toBase64url(await sha256(octets)) !== digest) return false;
    if (this.#octets.has(digest)) return true;
    this.#octets.set(digest, octets);
    this.#bytes += octets.length;
    for (const [oldest, { length }] of this.#octets) {
      if (this.#bytes <= MAXIMUM_BYTES) break;
      this.#octets.delete(oldest);
      this.#bytes -= length;
    }
    return true;
  }
}
