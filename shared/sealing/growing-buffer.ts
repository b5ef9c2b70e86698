// Gathers octets of many small deliveries in one buffer, so that a million one-octet pieces cost a few megabytes and not a gigabyte.

import type { Bytes } from '../bytes/concat.ts';

/** An append-only buffer that doubles. The caller bounds what it appends. */
export class GrowingBuffer {
  #octets: Bytes = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(part: Uint8Array): void {
    const needed = this.#length + part.length;
    if (needed > this.#octets.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#octets.length));
      larger.set(this.#octets.subarray(0, this.#length));
      this.#octets = larger;
    }
    this.#octets.set(part, this.#length);
    this.#length = needed;
  }

  /** What was appended. The buffer is the caller's from here on. */
  take(): Bytes {
    const taken = this.#octets.subarray(0, this.#length);
    this.#octets = new Uint8Array(0);
    this.#length = 0;
    return taken;
  }
}
