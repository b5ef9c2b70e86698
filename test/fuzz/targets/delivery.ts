// An input as a stream: its first octet says in which pieces the rest is delivered.

import type { Bytes } from '../../../shared/bytes/concat.ts';

/** 0: whole; 1 to 31: pieces of so many octets; above: growing pieces that begin with so many. */
export function deliver(input: Bytes): ReadableStream<Bytes> {
  const size = input[0] ?? 0;
  const octets = input.subarray(1);
  let at = 0;
  let piece = size === 0 ? Math.max(1, octets.length) : size < 32 ? size : size - 31;
  return new ReadableStream<Bytes>(
    {
      pull(controller) {
        if (at >= octets.length) return controller.close();
        controller.enqueue(octets.slice(at, at + piece));
        at += piece;
        if (size >= 32) piece *= 2;
      },
    },
    { highWaterMark: 0 },
  );
}

/** Reads to the end. */
export async function exhaust(stream: ReadableStream<Bytes>): Promise<number> {
  const reader = stream.getReader();
  let octets = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) octets += next.value.length;
  return octets;
}
