// PEM certificates (RFC 7468 section 5), strictly: blocks and line ends, nothing between, before or behind.

import type { Bytes } from '../bytes/concat.ts';
import { CERTIFICATE_MAXIMUM_BYTES } from './der.ts';
import { EvidenceError, type EvidenceErrorCode } from './evidence-error.ts';

const BLOCK =
  /-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]{1,32768})-----END CERTIFICATE-----(?:\r?\n)*/y;

/**
 * The certificates of a PEM text as DER, in their order; between `minimum` and `maximum` of them.
 * @throws EvidenceError `code` when there is anything else in the text or another number of certificates.
 */
export function readPemCertificates(
  octets: Uint8Array,
  minimum: number,
  maximum: number,
  code: EvidenceErrorCode,
): readonly Bytes[] {
  // Base64 of a certificate at its bound, with line ends: anything longer holds something else.
  if (octets.length > maximum * 2 * CERTIFICATE_MAXIMUM_BYTES)
    throw new EvidenceError('evidence_too_large', 'PEM text over its bound');
  let text = '';
  for (const octet of octets) text += String.fromCharCode(octet);
  const certificates: Bytes[] = [];
  const block = new RegExp(BLOCK);
  for (let at = 0; at < text.length; at = block.lastIndex) {
    block.lastIndex = at;
    const body = block.exec(text)?.[1];
    if (body === undefined || certificates.length === maximum)
      throw new EvidenceError(code, 'not a PEM chain of the expected length');
    certificates.push(decodeBody(body.replaceAll(/[\r\n]/g, ''), code));
  }
  if (certificates.length < minimum) throw new EvidenceError(code, 'not a PEM chain of the expected length');
  return certificates;
}

function decodeBody(base64: string, code: EvidenceErrorCode): Bytes {
  let decoded: string;
  try {
    decoded = atob(base64);
  } catch {
    throw new EvidenceError(code, 'PEM body is not base64');
  }
  // `atob` forgives missing padding and spare bits; a second spelling is refused.
  if (btoa(decoded) !== base64) throw new EvidenceError(code, 'PEM body is not canonical base64');
  return Uint8Array.from(decoded, (character) => character.charCodeAt(0));
}
