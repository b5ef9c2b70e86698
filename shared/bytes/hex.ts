// Lower-case hexadecimal, strict both ways.

import type { Bytes } from './concat.ts';
import { DecodeError } from './decode-error.ts';

/** Encodes octets as lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const octet of bytes) text += octet.toString(16).padStart(2, '0');
  return text;
}

/**
 * Decodes lower-case hex.
 * @throws DecodeError on an odd length or any character outside 0-9 a-f.
 */
export function fromHex(text: string): Bytes {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) throw new DecodeError('hex');
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
