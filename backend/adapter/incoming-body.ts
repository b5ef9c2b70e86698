// The body of a request as Node received it: a source of octets without a web stream around it.

import type { IncomingMessage } from 'node:http';
import type { OctetSource } from '../../shared/sealing/octet-reader.ts';

/** How long the rest of a body that nobody wants may take to arrive, so that its connection can carry another request. */
const DRAIN_MILLISECONDS = 500;

/** Reads as it is asked, so a slow reader slows the sender. A connection that closes before the body's end rejects the read. */
export class IncomingBody implements OctetSource {
  readonly #incoming: IncomingMessage;
  #waiting: (() => void)[] = [];

  constructor(incoming: IncomingMessage) {
    this.#incoming = incoming;
    const wake = (): void => {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const resolve of waiting) resolve();
    };
    for (const event of ['readable', 'end', 'error', 'close']) incoming.on(event, wake);
  }

  async read(): Promise<Awaited<ReturnType<OctetSource['read']>>> {
    const incoming = this.#incoming;
    for (;;) {
      const value: Buffer | null = incoming.read();
      if (value !== null) return { done: false, value };
      if (incoming.readableEnded) return { done: true };
      if (incoming.destroyed)
        throw incoming.errored ?? new Error('the connection closed before the end of the body');
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Nothing is locked. */
  releaseLock(): void {}

  /** Reads no more; the answer may still be sent, and then `drain` decides over the connection. */
  async cancel(): Promise<void> {}

  /** After the answer: takes in what is left of the body, or ends the connection when that takes long. */
  async drain(): Promise<void> {
    const incoming = this.#incoming;
    if (incoming.readableEnded || incoming.destroyed) return;
    const timer = setTimeout(() => incoming.socket.destroySoon(), DRAIN_MILLISECONDS);
    try {
      while (!(await this.read()).done);
    } catch {
      // It closed instead.
    } finally {
      clearTimeout(timer);
    }
  }
}
