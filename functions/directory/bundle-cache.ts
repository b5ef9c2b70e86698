// Bundles in the isolate's memory, by digest: the octets of a digest never change, so only room runs out.

/** Room for all bundles together; an isolate has 128 MB for everything. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Keeps the bundles that were asked for last. Values only, never promises, as in the route table. */
export class BundleCache {
  // A Map keeps the order of insertion: the first key is the one that was used longest ago.
  readonly #octets = new Map<string, Uint8Array>();
  #bytes = 0;

  /** The octets with this base64url SHA-256, if they are here. */
  get(digest: string): Uint8Array | undefined {
    const octets = this.#octets.get(digest);
    if (octets === undefined) return undefined;
    this.#octets.delete(digest);
    this.#octets.set(digest, octets);
    return octets;
  }

  /** Keeps octets and drops the oldest until all fit. */
  put(digest: string, octets: Uint8Array): void {
    if (this.#octets.has(digest) || octets.length > MAX_BYTES) return;
    this.#octets.set(digest, octets);
    this.#bytes += octets.length;
    for (const [oldest, { length }] of this.#octets) {
      if (this.#bytes <= MAX_BYTES) return;
      this.#octets.delete(oldest);
      this.#bytes -= length;
    }
  }
}
