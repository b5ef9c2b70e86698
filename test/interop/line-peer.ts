// A peer in another language: a process that is spoken to in lines, in which a body is lines of hex and then a dot.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fromHex, toHex } from '../../shared/bytes/hex.ts';

/** A running peer. */
export class LinePeer {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(path: string, args: readonly string[]) {
    this.#child = spawn(path, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new Error('a pipe was asked for');
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Writes one line. */
  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Writes a body: each delivery as a line, then a dot. */
  async sayBody(body: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const piece of body) if (piece.length > 0) this.say(toHex(piece));
    this.say('.');
  }

  /** The next line. @throws Error when the peer says that something failed, or says no more. */
  async hear(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error('the peer ended');
    if (value.startsWith('error ')) throw new Error(`the peer: ${value.slice('error '.length)}`);
    return value;
  }

  /** A body as it is written. */
  async *hearBody(): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    for (let line = await this.hear(); line !== '.'; line = await this.hear()) yield fromHex(line);
  }

  end(): void {
    this.#child.stdin?.end();
    this.#child.kill();
  }
}
