// Where a command writes: data on stdout, messages on stderr, colour only where stdout is a terminal that wants it.

/** The two streams and the four colours of every command. */
export class Terminal {
  readonly #out: NodeJS.WriteStream;
  readonly #err: NodeJS.WriteStream;
  readonly #colours: boolean;

  constructor(
    out: NodeJS.WriteStream,
    err: NodeJS.WriteStream,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    this.#out = out;
    this.#err = err;
    // no-color.org: any non-empty value turns colour off.
    this.#colours = out.isTTY === true && !environment.NO_COLOR;
  }

  data(line: string): void {
    this.#out.write(`${line}\n`);
  }
  message(line: string): void {
    this.#err.write(`${line}\n`);
  }
  bold(text: string): string {
    return this.#paint('1', text);
  }
  green(text: string): string {
    return this.#paint('32', text);
  }
  red(text: string): string {
    return this.#paint('31', text);
  }
  /** The colour of "simulated": never green. */
  amber(text: string): string {
    return this.#paint('33', text);
  }

  #paint(code: string, text: string): string {
    return this.#colours ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}
