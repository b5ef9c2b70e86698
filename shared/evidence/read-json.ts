// Reads one of this room's JSON documents: size first, then strict JSON, then shape.

import type { Bytes } from '../bytes/concat.ts';
import { readShape, type Shape } from '../bytes/shape.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';
import { EvidenceError, type EvidenceErrorCode } from './evidence-error.ts';

/**
 * The document, or an error that lists every problem with its path.
 * @throws EvidenceError `evidence_too_large` or the given code.
 */
export function readJson<T>(
  octets: Uint8Array,
  shape: Shape<T>,
  maximumBytes: number,
  code: EvidenceErrorCode,
): T {
  if (octets.length > maximumBytes)
    throw new EvidenceError('evidence_too_large', `over ${maximumBytes} octets`);
  let value: unknown;
  try {
    value = parseStrictJson(octets);
  } catch (error) {
    throw new EvidenceError(code, error instanceof Error ? error.message : 'not JSON');
  }
  const read = readShape(shape, value);
  if (read.ok) return read.value;
  throw new EvidenceError(
    code,
    read.problems.map(({ path, message }) => `${path === '' ? 'document' : path} ${message}`).join('; '),
  );
}

/** SHA-2 input that no other use of the hash can produce: `label ‖ 0x00 ‖ octets`. */
export function labelled(label: string, octets: Uint8Array): Bytes {
  const name = new TextEncoder().encode(label);
  const joined = new Uint8Array(name.length + 1 + octets.length);
  joined.set(name);
  joined.set(octets, name.length + 1);
  return joined;
}
