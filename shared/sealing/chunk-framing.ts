// The chunk framing of draft-ietf-ohai-chunked-ohttp-08 section 4, the same in both directions.

import type { Bytes } from '../bytes/concat.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import { LIMIT } from '../wire/limits.ts';
import type { OctetReader } from './octet-reader.ts';
import { type Direction, SealingError } from './sealing-error.ts';
import { encodeVarint, finishVarint, varintLength } from './varint.ts';

const NOTHING: Bytes = new Uint8Array(0);
/** AAD of every chunk but the last. */
export const NON_FINAL_AAD: Bytes = new Uint8Array(0);
/** AAD of the last chunk: the proof of completeness. */
export const FINAL_AAD: Bytes = toUtf8('final');
/** A zero length marks the final chunk, which runs to the end of the body. */
export const FINAL_PREFIX: Bytes = Uint8Array.of(0);

/** Largest chunk with its tag. */
export const MAX_SEALED_CHUNK = LIMIT.chunkPlaintextBytes + LIMIT.tagBytes;

/**
 * Most chunks under one key. With chunks of at most 16 KiB this is below the 2^24.5 full records that RFC 8446 section
 * 5.5 allows an AES-GCM key, and far beyond any answer.
 */
export const MAX_CHUNKS = 2 ** 24;

/** One chunk as it lies on the wire, not yet opened. */
export interface SealedChunk {
  readonly final: boolean;
  /** Ciphertext and tag. */
  readonly sealed: Bytes;
}

/** The length prefix of a non-final chunk with this much plaintext. */
export function chunkPrefix(plaintextOctets: number): Bytes {
  return encodeVarint(plaintextOctets + LIMIT.tagBytes);
}

/**
 * The next chunk where it is not the final one and was delivered whole, which bulk mostly is: without waiting a turn.
 * Undefined where `readChunk` has to wait, decide or refuse.
 */
export function takeHeldChunk(reader: OctetReader): SealedChunk | undefined {
  const { held } = reader;
  const first = held[0];
  if (first === undefined) return undefined;
  const prefix = varintLength(first);
  if (held.length < prefix) return undefined;
  const length = finishVarint(first, held.subarray(1, prefix));
  if (length <= LIMIT.tagBytes || length > MAX_SEALED_CHUNK || held.length < prefix + length)
    return undefined;
  const framed = reader.exactly(prefix + length);
  return framed instanceof Uint8Array ? { final: false, sealed: framed.subarray(prefix) } : undefined;
}

/**
 * Reads the next chunk. Lengths are checked before anything is gathered for them.
 * @throws SealingError `request_truncated` or `response_truncated`, `chunk_empty`, `chunk_too_large`
 */
export async function readChunk(reader: OctetReader, direction: Direction): Promise<SealedChunk> {
  const truncated = () => new SealingError(`${direction}_truncated`);
  // Most deliveries begin with a chunk and have all of it.
  const whole = (await reader.hold()) ? takeHeldChunk(reader) : undefined;
  if (whole !== undefined) return whole;
  const first = (await reader.exactly(1))?.[0];
  if (first === undefined) throw truncated();
  const octets = varintLength(first);
  const rest = octets === 1 ? NOTHING : await reader.exactly(octets - 1);
  if (rest === undefined) throw truncated();
  const length = finishVarint(first, rest);
  if (length === 0) {
    const sealed = await reader.toEnd(MAX_SEALED_CHUNK);
    if (sealed === undefined) throw new SealingError('chunk_too_large');
    if (sealed.length < LIMIT.tagBytes) throw truncated();
    return { final: true, sealed };
  }
  if (length <= LIMIT.tagBytes) throw new SealingError('chunk_empty');
  if (length > MAX_SEALED_CHUNK) throw new SealingError('chunk_too_large');
  const sealed = await reader.exactly(length);
  if (sealed === undefined) throw truncated();
  return { final: false, sealed };
}
