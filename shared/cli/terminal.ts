// Where a command writes: data on stdout, messages on stderr.

import { Paint } from './paint.ts';

/** The two streams of every command; colours follow stdout. */
export class Terminal extends Paint {
  readonly #out: NodeJS.WriteStream;
  readonly #err: NodeJS.WriteStream;

  constructor(
    out: NodeJS.WriteStream,
    err: NodeJS.WriteStream,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    super(out, environment);
    this.#out = out;
    this.#err = err;
  }

  data(line: string): void {
    this.#out.write(`${line}\n`);
  }

  message(line: string): void {
    this.#err.write(`${line}\n`);
  }
}
