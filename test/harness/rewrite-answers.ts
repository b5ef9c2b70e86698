// Follows HTTP/1.1 answers on a connection and lets a test change the body of each sealed one, framing kept valid.

/** Changes the whole body of a sealed answer. */
export type ChangeAnswer = (body: Buffer) => Buffer;

const HEAD_END = '\r\n\r\n';

/**
 * Takes the octets of one connection's answers in any pieces and gives octets to pass on. Answers that are not sealed pass
 * untouched. A sealed one is held until it is complete, then passed on with the changed body as one HTTP chunk.
 */
export class AnswerRewriter {
  readonly #change: () => ChangeAnswer | undefined;
  #held: Buffer = Buffer.alloc(0);

  constructor(change: () => ChangeAnswer | undefined) {
    this.#change = change;
  }

  push(piece: Buffer): Buffer {
    this.#held = Buffer.concat([this.#held, piece]);
    const out: Buffer[] = [];
    for (let answer = this.#next(); answer !== undefined; answer = this.#next()) out.push(answer);
    return Buffer.concat(out);
  }

  /** One whole answer, if there is one. */
  #next(): Buffer | undefined {
    const headEnd = this.#held.indexOf(HEAD_END);
    if (headEnd < 0) return undefined;
    const head = this.#held.toString('latin1', 0, headEnd);
    const bodyStart = headEnd + HEAD_END.length;
    const length = /^content-length: *(\d+)/im.exec(head)?.[1];
    const chunked = /^transfer-encoding: *chunked/im.test(head);
    const end = chunked ? endOfChunks(this.#held, bodyStart) : bodyStart + Number(length ?? 0);
    if (end === undefined || this.#held.length < end) return undefined;
    const raw = this.#held.subarray(bodyStart, end);
    const whole = this.#held.subarray(0, end);
    this.#held = this.#held.subarray(end);
    const change = this.#change();
    if (change === undefined || !/^content-type: *message\/ohttp/im.test(head)) return whole;
    const body = change(chunked ? joinChunks(raw) : raw);
    const lines = head.split('\r\n').filter((line) => !/^(content-length|transfer-encoding):/i.test(line));
    return Buffer.concat([
      Buffer.from([...lines, `content-length: ${body.length}`, '', ''].join('\r\n'), 'latin1'),
      body,
    ]);
  }
}

function* chunksOf(octets: Buffer, start: number): Generator<{ from: number; to: number; next: number }> {
  for (let at = start; ; ) {
    const lineEnd = octets.indexOf('\r\n', at);
    if (lineEnd < 0) return;
    const size = Number.parseInt(octets.toString('latin1', at, lineEnd), 16);
    const from = lineEnd + 2;
    const next = from + size + 2;
    if (octets.length < next) return;
    yield { from, to: from + size, next };
    if (size === 0) return;
    at = next;
  }
}

function endOfChunks(octets: Buffer, start: number): number | undefined {
  for (const { from, to, next } of chunksOf(octets, start)) if (from === to) return next;
  return undefined;
}

/** The body that a chunked framing carries. */
export function joinChunks(octets: Buffer): Buffer {
  return Buffer.concat([...chunksOf(octets, 0)].map(({ from, to }) => octets.subarray(from, to)));
}
