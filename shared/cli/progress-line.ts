// One line on stderr that says how far something large is: only for people, so only on a terminal.

const MEGABYTE = 1e6;
const REDRAW_MILLISECONDS = 100;

/** Counts octets; `end` takes the line away again. */
export class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  readonly #what: string;
  readonly #total: number;
  readonly #clock: () => number;
  readonly #started: number;
  #done = 0;
  #drawn = Number.NEGATIVE_INFINITY;

  /** @param total octets expected. @param clock milliseconds. */
  constructor(stream: NodeJS.WriteStream, what: string, total: number, clock: () => number) {
    this.#stream = stream;
    this.#what = what;
    this.#total = total;
    this.#clock = clock;
    this.#started = clock();
  }

  add(octets: number): void {
    this.#done = Math.min(this.#total, this.#done + octets);
    const now = this.#clock();
    if (!this.#stream.isTTY || now - this.#drawn < REDRAW_MILLISECONDS) return;
    this.#drawn = now;
    const megabytes = (octets_: number) => (octets_ / MEGABYTE).toFixed(0);
    const rate = this.#done / MEGABYTE / Math.max(0.001, (now - this.#started) / 1000);
    const line = `${this.#what} ${megabytes(this.#done)} of ${megabytes(this.#total)} MB, ${rate.toFixed(0)} MB/s`;
    this.#stream.write(`\r\x1b[K${line}`);
  }

  end(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K');
  }
}
