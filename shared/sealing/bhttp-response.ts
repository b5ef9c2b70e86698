// Reads a binary HTTP response from a stream: interim responses and head first, content as it arrives (RFC 9292).

import { type Bytes, concat } from '../bytes/concat.ts';
import { checkField, decodeByteString, type FieldLines, FRAMING, isEndToEndField } from './bhttp-fields.ts';
import { OctetReader } from './octet-reader.ts';
import { SealingError } from './sealing-error.ts';
import { finishVarint, varintLength } from './varint.ts';

/** A response whose head has arrived. */
export interface BhttpResponse {
  /** 200 to 599. */
  readonly status: number;
  readonly headers: FieldLines;
  /**
   * Content as it arrives. It closes only when the source closes cleanly: the end that binary HTTP itself shows proves nothing,
   * since a message may leave its empty last sections out (RFC 9292 section 3.8). Cancelling it cancels the source.
   */
  readonly body: ReadableStream<Bytes>;
}

export interface DecodeBhttpResponseOptions {
  readonly onInformational?: (status: number, headers: FieldLines) => void;
  /** Largest header section, of each interim response, of the final one and of the trailers. */
  readonly maxHeaderBytes: number;
}

const malformed = () => new SealingError('bhttp_malformed');
// Longest content piece handed out at once; content chunks of the wire may be longer.
const PIECE_OCTETS = 64 * 1024;

/**
 * Resolves when the final status and headers are there.
 * @throws SealingError `bhttp_malformed`, `bhttp_truncated`, `bhttp_too_large`, after cancelling the source; a failure of the source
 * passes through. The same from `body`, whose trailers are checked and dropped.
 */
export async function decodeBhttpResponse(
  plaintext: ReadableStream<Uint8Array>,
  options: DecodeBhttpResponseOptions,
): Promise<BhttpResponse> {
  const reader = new OctetReader(plaintext, Number.POSITIVE_INFINITY, malformed);
  const parser = new ResponseParser(reader, options);
  try {
    const { status, headers } = await parser.head();
    return { status, headers, body: contentStream(reader, parser) };
  } catch (error) {
    await reader.cancel(error).catch(() => undefined);
    throw error;
  }
}

function contentStream(reader: OctetReader, parser: ResponseParser): ReadableStream<Bytes> {
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        try {
          const piece = await parser.content();
          if (piece !== undefined) {
            // A copy: the piece may lie in a buffer that still holds what follows, and the consumer may transfer it. Not by
            // `slice`, which on Node's Buffer copies nothing.
            controller.enqueue(concat(piece));
            return;
          }
          reader.release();
          controller.close();
        } catch (error) {
          controller.error(error);
          await reader.cancel(error).catch(() => undefined);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

class ResponseParser {
  readonly #reader: OctetReader;
  readonly #options: DecodeBhttpResponseOptions;
  #known = false;
  #started = false;
  #ended = false;
  // Content octets still to come of the current chunk.
  #left = 0;

  constructor(reader: OctetReader, options: DecodeBhttpResponseOptions) {
    this.#reader = reader;
    this.#options = options;
  }

  async head(): Promise<{ status: number; headers: FieldLines }> {
    const framing = await this.#varint();
    if (framing !== FRAMING.knownResponse && framing !== FRAMING.indeterminateResponse) throw malformed();
    this.#known = framing === FRAMING.knownResponse;
    for (;;) {
      const status = await this.#varint();
      if (status < 100 || status > 599 || status === 101) throw malformed();
      const headers = await this.#fields();
      if (status >= 200) return { status, headers };
      this.#options.onInformational?.(status, headers);
    }
  }

  /** The next piece of content, or undefined at the end of the whole source. */
  async content(): Promise<Bytes | undefined> {
    if (this.#ended) return undefined;
    if (this.#left === 0 && !(await this.#nextChunk())) {
      await this.#fields();
      await this.#padding();
      this.#ended = true;
      return undefined;
    }
    const piece = await this.#reader.some(Math.min(this.#left, PIECE_OCTETS));
    if (piece === undefined) throw new SealingError('bhttp_truncated');
    this.#left -= piece.length;
    return piece;
  }

  /** Reads the length of the next content chunk; false when there is none. Known-length content is one chunk. */
  async #nextChunk(): Promise<boolean> {
    if (this.#known && this.#started) return false;
    const length = await this.#varintOrEnd();
    // A source that ends after a whole chunk has cut the terminator off, unless nothing had begun (RFC 9292 section 3.8).
    if (length === undefined && this.#started) throw new SealingError('bhttp_truncated');
    this.#started = true;
    this.#left = length ?? 0;
    return this.#left > 0;
  }

  async #fields(): Promise<FieldLines> {
    return this.#known ? await this.#knownFields() : await this.#indeterminateFields();
  }

  async #knownFields(): Promise<FieldLines> {
    const length = (await this.#varintOrEnd()) ?? 0;
    if (length > this.#options.maxHeaderBytes) throw new SealingError('bhttp_too_large');
    const budget = { left: length };
    const fields: (readonly [string, string])[] = [];
    while (budget.left > 0) await this.#field(fields, await this.#varint(budget), budget, malformed);
    return fields;
  }

  async #indeterminateFields(): Promise<FieldLines> {
    const budget = { left: this.#options.maxHeaderBytes };
    const tooLarge = () => new SealingError('bhttp_too_large');
    const fields: (readonly [string, string])[] = [];
    let nameLength = await this.#varintOrEnd();
    while (nameLength !== undefined && nameLength > 0) {
      await this.#field(fields, nameLength, budget, tooLarge);
      nameLength = await this.#varint();
    }
    return fields;
  }

  async #field(
    fields: (readonly [string, string])[],
    nameLength: number,
    budget: { left: number },
    overrun: () => Error,
  ): Promise<void> {
    const name = await this.#string(nameLength, budget, overrun);
    const value = await this.#string(await this.#varint(budget), budget, overrun);
    checkField(name, value);
    if (isEndToEndField(name)) fields.push([name, value]);
  }

  async #string(length: number, budget: { left: number }, overrun: () => Error): Promise<string> {
    budget.left -= length;
    if (budget.left < 0) throw overrun();
    const octets = await this.#reader.exactly(length);
    if (octets === undefined) throw new SealingError('bhttp_truncated');
    return decodeByteString(octets);
  }

  async #varint(budget?: { left: number }): Promise<number> {
    const value = await this.#varintOrEnd(budget);
    if (value === undefined) throw new SealingError('bhttp_truncated');
    return value;
  }

  /** A length, or undefined when the source ends exactly before it. */
  async #varintOrEnd(budget?: { left: number }): Promise<number | undefined> {
    const first = (await this.#reader.exactly(1))?.[0];
    if (first === undefined) return undefined;
    const octets = varintLength(first);
    if (budget !== undefined) budget.left -= octets;
    const rest = await this.#reader.exactly(octets - 1);
    if (rest === undefined) throw new SealingError('bhttp_truncated');
    return finishVarint(first, rest);
  }

  async #padding(): Promise<void> {
    for (;;) {
      const zeros = await this.#reader.some(PIECE_OCTETS);
      if (zeros === undefined) return;
      if (zeros.some((octet) => octet !== 0)) throw malformed();
    }
  }
}
