// A whole binary HTTP request, written with indeterminate length and read with either (RFC 9292 sections 3.1 and 3.2).

import { type Bytes, concat } from '../bytes/concat.ts';
import {
  checkField,
  decodeByteString,
  encodeFieldSection,
  encodePrefixed,
  type FieldLines,
  FRAMING,
  isEndToEndField,
} from './bhttp-fields.ts';
import { GrowingBuffer } from './growing-buffer.ts';
import { SealingError } from './sealing-error.ts';
import { decodeVarint, encodeVarint, varintLength } from './varint.ts';

/** A request as binary HTTP carries it. */
export interface BhttpRequest {
  readonly method: string;
  /** `https`, mostly. */
  readonly scheme: string;
  /** May be empty: then `host` among the headers says it. */
  readonly authority: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: FieldLines;
  readonly body: Bytes;
}

const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+\-.]*$/;
const VISIBLE = /^[\x21-\x7e]*$/;

const malformed = () => new SealingError('bhttp_malformed');

function checkControlData({ method, scheme, authority, path }: Omit<BhttpRequest, 'headers' | 'body'>): void {
  const valid = METHOD.test(method) && SCHEME.test(scheme) && VISIBLE.test(authority) && VISIBLE.test(path);
  if (!valid || path === '') throw malformed();
}

/**
 * Encodes a request. `paddedLength` adds zero octets after the message up to that total, which hides the length of what is
 * inside (RFC 9292 section 3.8); a message already longer stays as it is.
 * @throws SealingError `bhttp_malformed` for control data or a field that no recipient may accept.
 */
export function encodeBhttpRequest(
  request: Omit<BhttpRequest, 'body'> & { readonly body: Uint8Array; readonly paddedLength?: number },
): Bytes {
  checkControlData(request);
  const content = request.body.length === 0 ? [] : [encodeVarint(request.body.length), request.body];
  const message = [
    Uint8Array.of(FRAMING.indeterminateRequest),
    encodePrefixed(request.method),
    encodePrefixed(request.scheme),
    encodePrefixed(request.authority),
    encodePrefixed(request.path),
    encodeFieldSection(request.headers),
    ...content,
    // No more content, no trailers.
    Uint8Array.of(0, 0),
  ];
  const length = message.reduce((sum, part) => sum + part.length, 0);
  return concat(...message, new Uint8Array(Math.max(0, (request.paddedLength ?? 0) - length)));
}

/**
 * Decodes a request. Trailers are checked and dropped, as are the fields of a connection.
 * @param limits.maxHeaderBytes control data, header section and trailer section together
 * @throws SealingError `bhttp_malformed`, `bhttp_truncated`, `bhttp_too_large`
 */
export function decodeBhttpRequest(
  octets: Uint8Array,
  limits: { readonly maxHeaderBytes: number },
): BhttpRequest {
  const cursor = new Cursor(octets, limits.maxHeaderBytes);
  const framing = cursor.varint();
  if (framing !== FRAMING.knownRequest && framing !== FRAMING.indeterminateRequest) throw malformed();
  const known = framing === FRAMING.knownRequest;
  const control = {
    method: cursor.headerString(),
    scheme: cursor.headerString(),
    authority: cursor.headerString(),
    path: cursor.headerString(),
  };
  checkControlData(control);
  const headers = known ? cursor.knownFields() : cursor.indeterminateFields();
  const body = known ? cursor.knownContent() : cursor.indeterminateContent();
  if (known) cursor.knownFields();
  else cursor.indeterminateFields();
  cursor.padding();
  return { ...control, headers, body };
}

/** Walks the octets of one message. At the very end, a section that is not there is an empty one (RFC 9292 section 3.8). */
class Cursor {
  readonly #octets: Uint8Array;
  #at = 0;
  #headerOctetsLeft: number;

  constructor(octets: Uint8Array, maxHeaderBytes: number) {
    this.#octets = octets;
    this.#headerOctetsLeft = maxHeaderBytes;
  }

  varint(): number {
    const first = this.#octets[this.#at];
    if (first === undefined) throw new SealingError('bhttp_truncated');
    return decodeVarint(this.#take(varintLength(first)));
  }

  headerString(): string {
    return this.#string(this.varint());
  }

  knownFields(): FieldLines {
    const fields: (readonly [string, string])[] = [];
    if (this.#atEnd()) return fields;
    const end = this.varint() + this.#at;
    if (end > this.#octets.length) throw new SealingError('bhttp_truncated');
    while (this.#at < end) this.#field(fields, this.varint());
    if (this.#at > end) throw malformed();
    return fields;
  }

  indeterminateFields(): FieldLines {
    const fields: (readonly [string, string])[] = [];
    if (this.#atEnd()) return fields;
    for (;;) {
      const nameLength = this.varint();
      if (nameLength === 0) return fields;
      this.#field(fields, nameLength);
    }
  }

  knownContent(): Bytes {
    return this.#atEnd() ? new Uint8Array(0) : concat(this.#take(this.varint()));
  }

  indeterminateContent(): Bytes {
    const content = new GrowingBuffer();
    if (this.#atEnd()) return content.take();
    for (;;) {
      const length = this.varint();
      if (length === 0) return content.take();
      content.append(this.#take(length));
    }
  }

  padding(): void {
    for (; this.#at < this.#octets.length; this.#at++) if (this.#octets[this.#at] !== 0) throw malformed();
  }

  #field(fields: (readonly [string, string])[], nameLength: number): void {
    const name = this.#string(nameLength);
    const value = this.headerString();
    checkField(name, value);
    if (isEndToEndField(name)) fields.push([name, value]);
  }

  #string(length: number): string {
    this.#headerOctetsLeft -= length + 1;
    if (this.#headerOctetsLeft < 0) throw new SealingError('bhttp_too_large');
    return decodeByteString(this.#take(length));
  }

  #take(length: number): Uint8Array {
    if (length > this.#octets.length - this.#at) throw new SealingError('bhttp_truncated');
    const taken = this.#octets.subarray(this.#at, this.#at + length);
    this.#at += length;
    return taken;
  }

  #atEnd(): boolean {
    return this.#at === this.#octets.length;
  }
}
