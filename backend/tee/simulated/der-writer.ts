// Writes DER (X.690 section 10): just what the simulator's certificates and revocation lists are made of.

import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';

/** One value: tag, minimal length, content. */
export function der(tag: number, ...content: readonly Uint8Array[]): Bytes {
  const body = concat(...content);
  if (body.length < 0x80) return concat(Uint8Array.of(tag, body.length), body);
  const length: number[] = [];
  for (let rest = body.length; rest > 0; rest = Math.floor(rest / 256)) length.unshift(rest % 256);
  return concat(Uint8Array.of(tag, 0x80 | length.length, ...length), body);
}

export const sequence = (...values: readonly Uint8Array[]): Bytes => der(0x30, ...values);
export const set = (...values: readonly Uint8Array[]): Bytes => der(0x31, ...values);
export const nullValue = (): Bytes => der(0x05);
export const boolean = (value: boolean): Bytes => der(0x01, Uint8Array.of(value ? 0xff : 0));
export const octetString = (content: Uint8Array): Bytes => der(0x04, content);
export const utf8String = (text: string): Bytes => der(0x0c, toUtf8(text));
export const printableString = (text: string): Bytes => der(0x13, toUtf8(text));
export const ia5String = (text: string): Bytes => der(0x16, toUtf8(text));

/** `[tag] EXPLICIT`. */
export const explicit = (tag: number, ...values: readonly Uint8Array[]): Bytes => der(0xa0 | tag, ...values);

/** BIT STRING; `unused` bits of the last octet do not count. */
export const bitString = (content: Uint8Array, unused = 0): Bytes =>
  der(0x03, Uint8Array.of(unused), content);

/** A non-negative INTEGER. */
export function integer(value: number): Bytes {
  const octets: number[] = [];
  let rest = value;
  do {
    octets.unshift(rest % 256);
    rest = Math.floor(rest / 256);
  } while (rest > 0);
  if ((octets[0] as number) >= 0x80) octets.unshift(0);
  return der(0x02, Uint8Array.from(octets));
}

/** OBJECT IDENTIFIER from its dotted form. */
export function oid(dotted: string): Bytes {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const octets: number[] = [];
  for (const arc of [40 * first + second, ...rest]) {
    const groups = [arc % 128];
    for (let more = Math.floor(arc / 128); more > 0; more = Math.floor(more / 128))
      groups.unshift(0x80 | (more % 128));
    octets.push(...groups);
  }
  return der(0x06, Uint8Array.from(octets));
}

/** UTCTime up to 2049, GeneralizedTime from 2050 (RFC 5280 section 4.1.2.5). */
export function time(date: Date): Bytes {
  const digits = `${date.toISOString().slice(0, 19).replaceAll(/[-T:]/g, '')}Z`;
  return date.getUTCFullYear() < 2050 ? der(0x17, toUtf8(digits.slice(2))) : der(0x18, toUtf8(digits));
}
