// Seals a plaintext into the chunks of a request as it is produced.

import type { SenderContext } from 'hpke';
import { type Bytes, concat } from '../bytes/concat.ts';
import { LIMIT } from '../wire/limits.ts';
import { chunkPrefix, FINAL_AAD, FINAL_PREFIX, MAX_CHUNKS, NON_FINAL_AAD } from './chunk-framing.ts';
import { SealingError } from './sealing-error.ts';

/**
 * Header, non-final chunks, final chunk. One pull gives at most one of them, so a slow wire slows the source. A source that
 * fails ends the stream with its own error and without a final chunk; a stream that is cancelled cancels its source.
 * @param maxChunks beyond it the stream fails with SealingError `chunk_limit`
 */
export function sealChunks(
  context: SenderContext,
  header: Bytes,
  plaintext: ReadableStream<Uint8Array> | Uint8Array,
  maxChunks = MAX_CHUNKS,
): ReadableStream<Bytes> {
  const source = plaintext instanceof Uint8Array ? undefined : plaintext.getReader();
  let pending: Uint8Array = plaintext instanceof Uint8Array ? plaintext : new Uint8Array(0);
  let started = false;
  let chunks = 0;

  async function nextChunk(controller: ReadableStreamDefaultController<Bytes>): Promise<void> {
    while (source !== undefined && pending.length === 0) {
      const { done, value } = await source.read();
      if (done) return sealFinal(controller);
      pending = value;
    }
    // With the whole plaintext at hand its last piece is the final chunk; a stream's end is known only after its last piece.
    if (source === undefined && pending.length <= LIMIT.chunkPlaintextBytes) return sealFinal(controller);
    if (++chunks >= maxChunks) throw new SealingError('chunk_limit');
    const piece = pending.subarray(0, LIMIT.chunkPlaintextBytes);
    pending = pending.subarray(piece.length);
    controller.enqueue(concat(chunkPrefix(piece.length), await context.Seal(piece, NON_FINAL_AAD)));
  }

  async function sealFinal(controller: ReadableStreamDefaultController<Bytes>): Promise<void> {
    controller.enqueue(concat(FINAL_PREFIX, await context.Seal(pending, FINAL_AAD)));
    controller.close();
  }

  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        if (!started) {
          started = true;
          controller.enqueue(header);
          return;
        }
        try {
          await nextChunk(controller);
        } catch (error) {
          controller.error(error);
          await source?.cancel(error).catch(() => undefined);
        }
      },
      cancel: (reason) => source?.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
