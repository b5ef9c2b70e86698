// Colour for people: only on a terminal that wants it.

/** Paints text, or leaves it as it is where the stream is no terminal or NO_COLOR is set (no-color.org: to anything). */
export class Paint {
  readonly #colours: boolean;

  constructor(stream: NodeJS.WriteStream, environment: Readonly<Record<string, string | undefined>>) {
    this.#colours = stream.isTTY === true && !environment.NO_COLOR;
  }

  bold(text: string): string {
    return this.#paint('1', text);
  }
  faint(text: string): string {
    return this.#paint('2', text);
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
