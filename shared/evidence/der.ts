// A strict reader of DER (X.690 section 10): one encoding per value, definite minimal lengths, nothing left over.

import type { Bytes } from '../bytes/concat.ts';
import { EvidenceError, type EvidenceErrorCode } from './evidence-error.ts';

/** Largest certificate that is looked at. Real ones of AMD have 1.3 to 1.7 kB. */
export const CERTIFICATE_MAXIMUM_BYTES = 16 * 1024;
/** Largest revocation list that is looked at. */
export const CRL_MAXIMUM_BYTES = 256 * 1024;

/** Universal tags and the context tags that the profiles use. Constructed bit included. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  context0: 0xa0,
  context1: 0xa1,
  context2: 0xa2,
  context3: 0xa3,
} as const;

/** One value: its tag, its content, and all of it with tag and length as it stood in the input. */
export interface DerValue {
  readonly tag: number;
  readonly content: Bytes;
  readonly whole: Bytes;
}

/**
 * Reads the values of one constructed content in order. Every failure carries the code it was made with, so that a
 * bad certificate and a bad revocation list stay apart.
 */
export class DerReader {
  readonly #input: Bytes;
  readonly #code: EvidenceErrorCode;
  #offset = 0;

  constructor(input: Bytes, code: EvidenceErrorCode) {
    this.#input = input;
    this.#code = code;
  }

  /** Whether nothing is left. */
  get done(): boolean {
    return this.#offset === this.#input.length;
  }

  /** The next value's tag, or undefined at the end. */
  get nextTag(): number | undefined {
    return this.#input[this.#offset];
  }

  /** The next value, which must have this tag. */
  take(tag: number): DerValue {
    const start = this.#offset;
    if (this.nextTag !== tag) throw this.error('unexpected DER tag');
    const { length, header } = this.#readLength(start + 1);
    const contentStart = start + 1 + header;
    const end = contentStart + length;
    if (end > this.#input.length) throw this.error('DER value longer than its container');
    this.#offset = end;
    return {
      tag,
      content: this.#input.subarray(contentStart, end),
      whole: this.#input.subarray(start, end),
    };
  }

  /** The next value if it has this tag. */
  takeOptional(tag: number): DerValue | undefined {
    return this.nextTag === tag ? this.take(tag) : undefined;
  }

  /** A reader of the content of the next value, which must have this tag. */
  enter(tag: number): DerReader {
    return this.within(this.take(tag));
  }

  /** A reader of a value's content, with this reader's code. */
  within(value: DerValue): DerReader {
    return new DerReader(value.content, this.#code);
  }

  /** Refuses anything that is left. */
  end(): void {
    if (!this.done) throw this.error('trailing octets in DER');
  }

  /** An INTEGER from 0 to 2^31 - 1. */
  takeSmallInteger(): number {
    const magnitude = this.takeUnsigned();
    if (magnitude.length > 4) throw this.error('DER integer out of range');
    let value = 0;
    for (const octet of magnitude) value = value * 256 + octet;
    if (value > 0x7fffffff) throw this.error('DER integer out of range');
    return value;
  }

  /**
   * A non-negative INTEGER of at most so many octets, big-endian without leading zeros. Default: a serial number's 20
   * (RFC 5280 section 4.1.2.2).
   */
  takeUnsigned(maximumOctets = 20): Bytes {
    const { content } = this.take(TAG.integer);
    const first = content[0];
    if (first === undefined || content.length > maximumOctets + (first === 0 ? 1 : 0))
      throw this.error('DER integer out of range');
    if (first >= 0x80) throw this.error('negative DER integer');
    if (first !== 0) return content;
    if (content.length === 1) return content.subarray(1);
    if ((content[1] as number) < 0x80) throw this.error('DER integer not minimal');
    return content.subarray(1);
  }

  /** A BOOLEAN, FALSE 0x00 or TRUE 0xFF. */
  takeBoolean(): boolean {
    const { content } = this.take(TAG.boolean);
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff))
      throw this.error('DER boolean not canonical');
    return content[0] === 0xff;
  }

  /** An OBJECT IDENTIFIER in dotted form. */
  takeOid(): string {
    const { content } = this.take(TAG.oid);
    if (content.length === 0 || content.length > 32) throw this.error('DER object identifier out of range');
    const arcs: number[] = [];
    let arc = 0;
    let begun = false;
    for (const octet of content) {
      if (!begun && octet === 0x80) throw this.error('DER object identifier not minimal');
      arc = arc * 128 + (octet & 0x7f);
      if (arc > 0xffffffff) throw this.error('DER object identifier out of range');
      begun = (octet & 0x80) !== 0;
      if (begun) continue;
      arcs.push(arc);
      arc = 0;
    }
    if (begun) throw this.error('DER object identifier cut short');
    const first = arcs[0] as number;
    const root = Math.min(2, Math.floor(first / 40));
    return [root, first - 40 * root, ...arcs.slice(1)].join('.');
  }

  /** A BIT STRING of whole octets. */
  takeBits(): Bytes {
    const { content } = this.take(TAG.bitString);
    if (content[0] !== 0) throw this.error('DER bit string with unused bits');
    return content.subarray(1);
  }

  /** UTCTime or GeneralizedTime in UTC with seconds (RFC 5280 section 4.1.2.5). */
  takeTime(): Date {
    const tag = this.nextTag;
    if (tag !== TAG.utcTime && tag !== TAG.generalizedTime) throw this.error('not a DER time');
    const text = String.fromCharCode(...this.take(tag).content);
    const match = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text);
    const year = match?.[1];
    if (!match || !year || (year.length === 2) !== (tag === TAG.utcTime))
      throw this.error('DER time in another form');
    const century = year.length === 4 ? '' : Number(year) < 50 ? '20' : '19';
    const iso = `${century}${year}-${match[2]}-${match[3]}T${match[4]}:${match[5]}:${match[6]}`;
    const date = new Date(`${iso}Z`);
    if (Number.isNaN(date.getTime()) || date.toISOString().slice(0, 19) !== iso)
      throw this.error('DER time that does not exist');
    return date;
  }

  /** The error of this reader's document. */
  error(detail: string): EvidenceError {
    return new EvidenceError(this.#code, detail);
  }

  #readLength(offset: number): { length: number; header: number } {
    const first = this.#input[offset];
    if (first === undefined) throw this.error('DER length missing');
    if (first < 0x80) return { length: first, header: 1 };
    const count = first & 0x7f;
    // Zero is the indefinite form of BER; four octets would pass every bound of this room.
    if (count === 0 || count > 3) throw this.error('DER length form not allowed');
    let length = 0;
    for (let i = 1; i <= count; i++) {
      const octet = this.#input[offset + i];
      if (octet === undefined) throw this.error('DER length missing');
      length = length * 256 + octet;
    }
    if (length < 0x80 || length < 256 ** (count - 1)) throw this.error('DER length not minimal');
    return { length, header: 1 + count };
  }
}
