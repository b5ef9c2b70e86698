// Binary HTTP's smallest parts: length-prefixed strings and field lines, with the rules they must keep (RFC 9292 section 3.6).

import { type Bytes, concat } from '../bytes/concat.ts';
import { SealingError } from './sealing-error.ts';
import { encodeVarint } from './varint.ts';

/** Field lines in their order; names in lower case, values as byte strings (each character one octet). */
export type FieldLines = readonly (readonly [name: string, value: string])[];

/** Framing indicators (RFC 9292 section 3.3). */
export const FRAMING = {
  knownRequest: 0,
  knownResponse: 1,
  indeterminateRequest: 2,
  indeterminateResponse: 3,
} as const;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// RFC 9113 section 8.2.1: no NUL, CR or LF, no white space at either end. Other controls gain nothing and are refused too.
// biome-ignore lint/suspicious/noControlCharactersInRegex: the rule is about control characters
const FORBIDDEN_IN_VALUE = /[\x00-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$/;

// Fields of one connection (RFC 9113 section 8.2.2): they mean nothing here and must not reach the next hop.
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Whether a field may be carried: not one that belongs to a connection. */
export function isEndToEndField(name: string): boolean {
  return !CONNECTION_FIELDS.has(name);
}

/** @throws SealingError `bhttp_malformed` unless the name is a lower-case token and the value free of controls. */
export function checkField(name: string, value: string): void {
  if (!TOKEN.test(name) || FORBIDDEN_IN_VALUE.test(value)) throw new SealingError('bhttp_malformed');
}

/** The octets of a byte string. @throws SealingError `bhttp_malformed` on a character above U+00FF. */
export function encodeByteString(text: string): Bytes {
  const octets = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0xff) throw new SealingError('bhttp_malformed');
    octets[i] = unit;
  }
  return octets;
}

// String.fromCharCode takes its octets as arguments; pieces keep below every engine's limit.
const PIECE_OCTETS = 0x2000;

/** The byte string of octets: character n is octet n. */
export function decodeByteString(octets: Uint8Array): string {
  if (octets.length <= PIECE_OCTETS) return String.fromCharCode(...octets);
  let text = '';
  for (let at = 0; at < octets.length; at += PIECE_OCTETS)
    text += String.fromCharCode(...octets.subarray(at, at + PIECE_OCTETS));
  return text;
}

/** A string with its length before it. */
export function encodePrefixed(text: string): Bytes {
  const octets = encodeByteString(text);
  return concat(encodeVarint(octets.length), octets);
}

/** An indeterminate-length field section: every line, then a zero. Connection fields are left out. */
export function encodeFieldSection(fields: FieldLines): Bytes {
  const parts: Bytes[] = [];
  for (const [name, value] of fields) {
    checkField(name, value);
    if (isEndToEndField(name)) parts.push(encodePrefixed(name), encodePrefixed(value));
  }
  return concat(...parts, Uint8Array.of(0));
}
