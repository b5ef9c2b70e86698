// Packs an answer that is not streamed so that its pieces and its total have few lengths.

import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import type { BhttpResponseWriter } from '../../shared/sealing/bhttp-response-writer.ts';
import { type LengthBuckets, lengthBucket } from '../../shared/sealing/length-buckets.ts';
import { LIMIT } from '../../shared/wire/limits.ts';

/**
 * Yields plaintext to seal: whole chunks of 16 KiB while the body comes, then the rest with zero octets after the end of the
 * message. Nothing leaves before a chunk is full or the body is whole, because the length of each chunk can be seen.
 * @throws whatever the body throws; then the message has no end
 */
export async function* padAnswer(
  writer: BhttpResponseWriter,
  head: Bytes,
  body: AsyncIterable<Uint8Array>,
  buckets: LengthBuckets,
): AsyncGenerator<Bytes, void, undefined> {
  let held = head;
  let sent = 0;
  for await (const piece of body) {
    held = concat(held, writer.content(piece));
    const full = held.length - (held.length % LIMIT.chunkPlaintextBytes);
    if (full === 0) continue;
    yield held.slice(0, full);
    held = held.slice(full);
    sent += full;
  }
  held = concat(held, writer.end());
  const total = sent + held.length;
  yield concat(held, new Uint8Array(lengthBucket(total, buckets) - total));
}
