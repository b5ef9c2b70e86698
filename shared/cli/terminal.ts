// Where a command writes: data on stdout, messages on stderr.

import { Paint } from './paint.ts';

/** The two streams of every command; colours follow stdout. */
export class Terminal extends Paint {
  readonly #out: NodeJS.WriteStream;
  readonly #err: NodeJS.WriteStream;
  readonly #environment: Readonly<Record<string, string | undefined>>;

  constructor(
    out: NodeJS.WriteStream,
    err: NodeJS.WriteStream,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    super(out, environment);
    this.#environment = environment;
    this.#out = out;
    this.#err = err;
  }

  data(line: string): void {
    this.#out.write(`${line}\n`);
  }

  /** The same where everything goes to stderr: what is shown beside the data. */
  onMessages(): Terminal {
    return new Terminal(this.#err, this.#err, this.#environment);
  }

  message(line: string): void {
    this.#err.write(`${line}\n`);
  }
}
