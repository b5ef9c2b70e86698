// base64url without padding (RFC 4648 section 5), strict both ways.

import type { Bytes } from './concat.ts';
import { DecodeError } from './decode-error.ts';

// btoa takes a string of code units; 32 KiB pieces keep String.fromCharCode below every engine's argument limit.
const PIECE_OCTETS = 0x8000;

/** Encodes octets as base64url without padding. */
export function toBase64url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/**
 * Decodes base64url without padding.
 * @throws DecodeError on padding, white space, a foreign character, or non-zero spare bits (a second spelling).
 */
export function fromBase64url(text: string): Bytes {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) throw new DecodeError('base64url');
  const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
  if (toBase64url(bytes) !== text) throw new DecodeError('base64url');
  return bytes;
}

/** Encodes octets as base64 with padding (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += PIECE_OCTETS)
    binary += String.fromCharCode(...bytes.subarray(i, i + PIECE_OCTETS));
  return btoa(binary);
}
