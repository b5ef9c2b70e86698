// Cuts one of Intel's served documents into the octets that are signed and their signature, without writing any of them anew.

import type { Bytes } from '../bytes/concat.ts';
import { concat } from '../bytes/concat.ts';
import { fromHex } from '../bytes/hex.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import { TCB_INFO_MAXIMUM_BYTES } from './evidence-bounds.ts';
import { EvidenceError } from './evidence-error.ts';

/** A signed document of Intel's. */
export interface SignedDocument {
  /** The inner object's exact octets. */
  readonly document: Bytes;
  /** r ‖ s, 64 octets. */
  readonly signature: Bytes;
}

const SIGNATURE_HEX = 128;

/**
 * Cuts `{"tcbInfo":{…},"signature":"<hex>"}` or `{"enclaveIdentity":…}` as Intel's service sends them. Prefix and suffix
 * must stand exactly so, and what lies between must by itself be one JSON object: then no other cut is possible.
 * @throws EvidenceError `evidence_too_large` or `evidence_collateral_malformed`.
 */
export function cutServedDocument(served: Uint8Array, member: 'tcbInfo' | 'enclaveIdentity'): SignedDocument {
  if (served.length > TCB_INFO_MAXIMUM_BYTES)
    throw new EvidenceError('evidence_too_large', `document over ${TCB_INFO_MAXIMUM_BYTES} octets`);
  const octets = concat(served);
  const prefix = toUtf8(`{"${member}":`);
  const middle = toUtf8(',"signature":"');
  const suffix = toUtf8('"}');
  const signatureAt = octets.length - suffix.length - SIGNATURE_HEX;
  const documentEnd = signatureAt - middle.length;
  if (
    documentEnd < prefix.length ||
    !stands(octets, 0, prefix) ||
    !stands(octets, documentEnd, middle) ||
    !stands(octets, octets.length - suffix.length, suffix)
  )
    throw malformed('not a document with its signature');
  const hex = String.fromCharCode(...octets.subarray(signatureAt, signatureAt + SIGNATURE_HEX));
  if (!/^[0-9A-Fa-f]+$/.test(hex)) throw malformed('signature is not hex');
  const document = octets.slice(prefix.length, documentEnd);
  let value: unknown;
  try {
    value = parseStrictJson(document);
  } catch {
    throw malformed('what is signed is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed('what is signed is not an object');
  return { document, signature: fromHex(hex.toLowerCase()) };
}

function stands(octets: Uint8Array, at: number, wanted: Uint8Array): boolean {
  return wanted.every((octet, index) => octets[at + index] === octet);
}

function malformed(detail: string): EvidenceError {
  return new EvidenceError('evidence_collateral_malformed', detail);
}
