// Streams for tests: octets in, in any pieces; octets, errors and codes out.

import type { Bytes } from '../../../../shared/bytes/concat.ts';
import { concat } from '../../../../shared/bytes/concat.ts';

/** A stream that delivers the pieces, then closes. */
export function streamOf(...pieces: readonly Uint8Array[]): ReadableStream<Bytes> {
  return ReadableStream.from(pieces) as ReadableStream<Bytes>;
}

/** Octets in pieces of one size. */
export function piecesOf(octets: Uint8Array, size: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < octets.length; at += size) pieces.push(octets.subarray(at, at + size));
  return pieces;
}

/** Octets cut at the given places, in any order. */
export function cutAt(octets: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.filter((p) => p <= octets.length).sort((a, b) => a - b), octets.length];
  return sorted.slice(1).map((end, i) => octets.subarray(sorted[i], end));
}

/** What a stream gave until it ended: cleanly, or with an error. */
export async function drain(
  stream: ReadableStream<Uint8Array>,
): Promise<{ octets: Bytes; deliveries: number; error: unknown }> {
  const parts: Uint8Array[] = [];
  try {
    for await (const part of stream) parts.push(part);
    return { octets: concat(...parts), deliveries: parts.length, error: undefined };
  } catch (error) {
    return { octets: concat(...parts), deliveries: parts.length, error };
  }
}

/** The whole of a stream that must end cleanly. */
export async function collect(stream: ReadableStream<Uint8Array>): Promise<Bytes> {
  const { octets, error } = await drain(stream);
  if (error !== undefined) throw error;
  return octets;
}

/** The `code` of what a stream, a promise or a call fails with; `none` when it does not fail. */
export async function codeOf(
  attempt: ReadableStream<Uint8Array> | Promise<unknown> | (() => unknown),
): Promise<string> {
  try {
    if (attempt instanceof ReadableStream) await collect(attempt);
    else await (typeof attempt === 'function' ? attempt() : attempt);
    return 'none';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}
