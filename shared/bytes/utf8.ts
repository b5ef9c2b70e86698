// UTF-8, strict: an invalid sequence is an error, never a replacement character.

import type { Bytes } from './concat.ts';
import { DecodeError } from './decode-error.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Encodes text as UTF-8. */
export function toUtf8(text: string): Bytes {
  return encoder.encode(text) as Bytes;
}

/**
 * Decodes UTF-8.
 * @throws DecodeError on any invalid sequence.
 */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new DecodeError('utf-8');
  }
}
