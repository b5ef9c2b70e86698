// What a person sees: plain lines, colour where there is a terminal that wants it.

import { stripVTControlCharacters } from 'node:util';

/** Writes for people; stdout, or stderr where stdout belongs to a machine. */
export class Screen {
  readonly #stream: NodeJS.WriteStream;
  readonly #colours: boolean;

  constructor(stream: NodeJS.WriteStream, environment: Readonly<Record<string, string | undefined>>) {
    this.#stream = stream;
    // no-color.org: any non-empty value turns colour off.
    this.#colours = stream.isTTY === true && !environment.NO_COLOR;
  }

  /** Whether lines can be overwritten. */
  get isTerminal(): boolean {
    return this.#stream.isTTY === true;
  }

  line(text = ''): void {
    this.#stream.write(`${text}\n`);
  }

  /** Text as it comes, such as a streamed answer. */
  raw(text: string): void {
    // A model's text is untrusted: it must not steer the terminal.
    this.#stream.write(withoutControls(text));
  }

  /** Overwrites the current line on a terminal; elsewhere nothing, so that a log stays readable. */
  progress(text: string): void {
    if (this.#stream.isTTY) this.#stream.write(`\r\x1b[2K${text}`);
  }

  heading(text: string): void {
    this.line();
    this.line(this.bold(text));
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

// Everything below space but newline and tab, and the C1 range, could move a cursor or start a sequence.
function withoutControls(text: string): string {
  let clean = '';
  for (const character of stripVTControlCharacters(text)) {
    const code = character.codePointAt(0) ?? 0;
    if (code === 9 || code === 10 || (code >= 32 && (code < 127 || code > 159))) clean += character;
  }
  return clean;
}
