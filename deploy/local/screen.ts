// What a person sees: plain lines, colour where there is a terminal that wants it.

import { stripVTControlCharacters } from 'node:util';
import { Paint } from '../../shared/cli/paint.ts';

/** Writes for people; stdout, or stderr where stdout belongs to a machine. */
export class Screen extends Paint {
  readonly #stream: NodeJS.WriteStream;

  constructor(stream: NodeJS.WriteStream, environment: Readonly<Record<string, string | undefined>>) {
    super(stream, environment);
    this.#stream = stream;
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
