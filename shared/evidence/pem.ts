// PEM certificates (RFC 7468 section 5), strictly: blocks and line ends, nothing between, before or behind.

import type { Bytes } from '../bytes/concat.ts';
import { CERTIFICATE_MAXIMUM_BYTES } from './der.ts';
import { EvidenceError, type EvidenceErrorCode } from './evidence-error.ts';

const BEGIN = '-----BEGIN CERTIFICATE-----';
const END = '-----END CERTIFICATE-----';
const latin1 = new TextDecoder('latin1');

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
  const text = latin1.decode(octets);
  const certificates: Bytes[] = [];
  for (let at = 0; at < text.length; ) {
    const bodyAt = at + BEGIN.length;
    const bodyEnd = text.indexOf(END, bodyAt);
    if (!text.startsWith(BEGIN, at) || bodyEnd < 0 || certificates.length === maximum)
      throw new EvidenceError(code, 'not a PEM chain of the expected length');
    certificates.push(decodeBody(text.slice(bodyAt, bodyEnd), code));
    at = skipLineEnds(text, bodyEnd + END.length);
  }
  if (certificates.length < minimum) throw new EvidenceError(code, 'not a PEM chain of the expected length');
  return certificates;
}

function skipLineEnds(text: string, from: number): number {
  let at = from;
  while (text[at] === '\n' || (text[at] === '\r' && text[at + 1] === '\n')) at++;
  return at;
}

function decodeBody(body: string, code: EvidenceErrorCode): Bytes {
  const lines = body.split(/\r?\n/);
  // The labels stand on lines of their own.
  if (lines.length < 3 || lines[0] !== '' || lines.at(-1) !== '')
    throw new EvidenceError(code, 'PEM body is not in lines');
  const base64 = lines.join('');
  let decoded: string;
  try {
    decoded = atob(base64);
  } catch {
    throw new EvidenceError(code, 'PEM body is not base64');
  }
  // `atob` forgives blanks, missing padding and spare bits; a second spelling is refused.
  if (btoa(decoded) !== base64) throw new EvidenceError(code, 'PEM body is not canonical base64');
  const octets = new Uint8Array(decoded.length);
  for (let i = 0; i < decoded.length; i++) octets[i] = decoded.charCodeAt(i);
  return octets;
}
