// Writes a binary HTTP response of indeterminate length piece by piece (RFC 9292 section 3.2).

import { type Bytes, concat } from '../bytes/concat.ts';
import { encodeFieldSection, type FieldLines, FRAMING } from './bhttp-fields.ts';
import { SealingError } from './sealing-error.ts';
import { encodeVarint } from './varint.ts';

/**
 * One response: any number of `informational`, one `head`, any number of `content`, one `end`. Each call gives the octets to
 * send next; the framing indicator goes out with the first. Out of order, a call throws SealingError `closed`.
 */
export class BhttpResponseWriter {
  #phase: 'head' | 'content' | 'closed' = 'head';
  #framed = false;

  /** An interim response. @param status 100 to 199, except 101 */
  informational(status: number, headers: FieldLines = []): Bytes {
    if (status < 100 || status > 199 || status === 101) throw new SealingError('bhttp_malformed');
    return this.#control(status, headers);
  }

  /** The final status and its headers. @param status 200 to 599 */
  head(status: number, headers: FieldLines): Bytes {
    if (status < 200 || status > 599) throw new SealingError('bhttp_malformed');
    const octets = this.#control(status, headers);
    this.#phase = 'content';
    return octets;
  }

  /** One content chunk. Empty input gives empty output: an empty chunk would be the end. */
  content(octets: Uint8Array): Bytes {
    if (this.#phase !== 'content') throw new SealingError('closed');
    return octets.length === 0 ? new Uint8Array(0) : concat(encodeVarint(octets.length), octets);
  }

  /** End of content and no trailers, then `padding` zero octets. */
  end(padding = 0): Bytes {
    if (this.#phase !== 'content') throw new SealingError('closed');
    this.#phase = 'closed';
    return new Uint8Array(2 + padding);
  }

  #control(status: number, headers: FieldLines): Bytes {
    if (this.#phase !== 'head') throw new SealingError('closed');
    const framing = this.#framed ? new Uint8Array(0) : Uint8Array.of(FRAMING.indeterminateResponse);
    const octets = concat(framing, encodeVarint(status), encodeFieldSection(headers));
    this.#framed = true;
    return octets;
  }
}
