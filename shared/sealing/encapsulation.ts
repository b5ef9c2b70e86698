// The header of an encapsulated request and the labels of both formats (RFC 9458 section 4.3, chunked-ohttp-08 section 5).

import { type Bytes, concat } from '../bytes/concat.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import { MEDIA_TYPE, type SealedRequestType } from '../wire/media-types.ts';
import type { Suite } from './suite.ts';

/** Octets of the header before the encapsulated secret: key id, KEM, KDF, AEAD. */
export const HEADER_OCTETS = 7;

const LABEL = {
  [MEDIA_TYPE.request]: { request: 'message/bhttp request', response: 'message/bhttp response' },
  [MEDIA_TYPE.chunkedRequest]: {
    request: 'message/bhttp chunked request',
    response: 'message/bhttp chunked response',
  },
} as const;

/** Key id and suite of a header. */
export interface EncapsulationHeader {
  readonly keyId: number;
  readonly suite: Suite;
}

/** The 7 octets. */
export function encodeHeader(keyId: number, suite: Suite): Bytes {
  const header = new Uint8Array(HEADER_OCTETS);
  const view = new DataView(header.buffer);
  view.setUint8(0, keyId);
  view.setUint16(1, suite.kemId);
  view.setUint16(3, suite.kdfId);
  view.setUint16(5, suite.aeadId);
  return header;
}

/** What 7 octets say. */
export function decodeHeader(header: Bytes): EncapsulationHeader {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  return {
    keyId: view.getUint8(0),
    suite: { kemId: view.getUint16(1), kdfId: view.getUint16(3), aeadId: view.getUint16(5) },
  };
}

/** HPKE `info`: request label ‖ 0x00 ‖ header. */
export function requestInfo(type: SealedRequestType, header: Bytes): Bytes {
  return concat(toUtf8(LABEL[type].request), Uint8Array.of(0), header);
}

/** HPKE exporter context of the response secret. */
export function responseLabel(type: SealedRequestType): Bytes {
  return toUtf8(LABEL[type].response);
}
