// Reads an event stream piece by piece, cut anywhere, and gives out the data of each whole event.

import { EngineError } from '../../engine/engine-error.ts';

/** An event may be this long; what is longer is no chat completion. */
const LONGEST_EVENT = 1024 * 1024;

/** A reader of `text/event-stream` (HTML, section 9.2.6 "Interpreting an event stream"); of an event only its data counts. */
export class EventReader {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  /** The line that has begun. */
  #line = '';
  #data: string[] = [];
  #held = 0;
  #lastWasCr = false;

  /**
   * The data of the events that this piece ends.
   * @throws EngineError `engine_answer_invalid` when an event is too long or not UTF-8.
   */
  push(piece: Uint8Array): string[] {
    let text: string;
    try {
      text = this.#decoder.decode(piece, { stream: true });
    } catch {
      throw invalidAnswer('is not UTF-8');
    }
    // CR LF is one end of a line, also when a piece ends between them.
    if (text === '') return [];
    const endsWithCr = text.endsWith('\r');
    if (this.#lastWasCr && text.startsWith('\n')) text = text.slice(1);
    this.#lastWasCr = endsWithCr;
    const events: string[] = [];
    const lines = text.split(/\r\n|\n|\r/);
    const rest = lines.pop() as string;
    for (const line of lines) {
      const whole = this.#line + line;
      this.#line = '';
      this.#endLine(whole, events);
    }
    this.#line += rest;
    if (this.#held + this.#line.length > LONGEST_EVENT) throw invalidAnswer('has an event that is too long');
    return events;
  }

  #endLine(line: string, events: string[]): void {
    if (line === '') {
      if (this.#data.length > 0) events.push(this.#data.join('\n'));
      this.#data = [];
      this.#held = 0;
      return;
    }
    if (line !== 'data' && !line.startsWith('data:')) return;
    const value = line.slice(5);
    this.#data.push(value.startsWith(' ') ? value.slice(1) : value);
    this.#held += value.length;
  }
}

/** An answer of the engine that is no chat completion. */
export function invalidAnswer(what: string): EngineError {
  return new EngineError('engine_answer_invalid', `The engine’s answer ${what}.`);
}
