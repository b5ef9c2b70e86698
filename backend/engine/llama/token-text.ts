// Turns tokens into text as they come; a character whose octets are spread over tokens leaves when it is whole.

import type { LlamaModel, Token } from 'node-llama-cpp';

/** U+FFFD: the library's sign for octets that are no whole character. */
const INCOMPLETE = '\u{fffd}';
/** UTF-8 has four octets at most: what is not a character by then never becomes one. */
const MOST_PENDING = 4;

/** Feed it the tokens of one answer. */
export class TokenText {
  readonly #model: LlamaModel;
  #before: Token[];
  #pending: Token[] = [];

  /** `before`: the last tokens of the prompt; a space at the beginning depends on them. */
  constructor(model: LlamaModel, before: readonly Token[]) {
    this.#model = model;
    this.#before = [...before.slice(-MOST_PENDING)];
  }

  /** The text that is whole with this token; may be empty. */
  push(token: Token): string {
    this.#pending.push(token);
    const text = this.#model.detokenize(this.#pending, false, this.#before);
    return text.endsWith(INCOMPLETE) && this.#pending.length < MOST_PENDING ? '' : this.#release(text);
  }

  /** What is left when nothing follows. */
  end(): string {
    return this.#release(this.#model.detokenize(this.#pending, false, this.#before));
  }

  #release(text: string): string {
    this.#before = [...this.#before, ...this.#pending].slice(-MOST_PENDING);
    this.#pending = [];
    return text;
  }
}
