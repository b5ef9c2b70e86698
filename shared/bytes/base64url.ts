// base64url without padding (RFC 4648 section 5), strict both ways.

import type { Bytes } from './concat.ts';
import { DecodeError } from './decode-error.ts';

// btoa takes a string of code units; 32 KiB pieces keep String.fromCharCode below every engine's argument limit.
const PIECE_OCTETS = 0x8000;
const ALPHABET = /^[A-Za-z0-9_-]*$/;
const NO_SPARE_4 = /[AQgw]$/;
const NO_SPARE_2 = /[AEIMQUYcgkosw048]$/;

/** Encodes octets as base64url without padding. */
export function toBase64url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/**
 * Decodes base64url without padding.
 * @throws DecodeError on padding, white space, a foreign character, or non-zero spare bits (a second spelling).
 */
export function fromBase64url(text: string): Bytes {
  const rest = text.length % 4;
  if (!ALPHABET.test(text) || rest === 1) throw new DecodeError('base64url');
  // Of a last group of 2 or 3 characters, the last one's low 4 or 2 bits count for nothing: only zero is the one spelling.
  if (rest === 2 && !NO_SPARE_4.test(text)) throw new DecodeError('base64url');
  if (rest === 3 && !NO_SPARE_2.test(text)) throw new DecodeError('base64url');
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Encodes octets as base64 with padding (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += PIECE_OCTETS)
    binary += String.fromCharCode(...bytes.subarray(i, i + PIECE_OCTETS));
  return btoa(binary);
}
