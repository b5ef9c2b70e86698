// Cuts a text that comes in pieces before the first stop string in it, wherever the pieces' borders fall.

/** Feed it pieces; it returns what may leave. */
export class StopCutter {
  readonly #stops: readonly string[];
  #held = '';
  #stopped = false;

  /** `stops`: none empty. */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** Whether a stop string came. Nothing leaves any more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** What may leave after this piece: everything but an end that could be the beginning of a stop string. */
  push(piece: string): string {
    if (this.#stopped) return '';
    const text = this.#held + piece;
    const places = this.#stops.map((stop) => text.indexOf(stop)).filter((place) => place >= 0);
    if (places.length > 0) {
      this.#stopped = true;
      this.#held = '';
      return text.slice(0, Math.min(...places));
    }
    const kept = Math.max(0, ...this.#stops.map((stop) => overlap(text, stop)));
    this.#held = text.slice(text.length - kept);
    return text.slice(0, text.length - kept);
  }

  /** What was held back, when nothing follows. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return this.#stopped ? '' : rest;
  }
}

// The longest end of `text` that is a beginning of `stop`, but not all of it.
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--)
    if (text.endsWith(stop.slice(0, length))) return length;
  return 0;
}
