// Opens a chunked response as it arrives and ends only where its sender ended it.

import type { Bytes } from '../bytes/concat.ts';
import { readChunk, type SealedChunk, takeHeldChunk } from './chunk-framing.ts';
import { OctetReader } from './octet-reader.ts';
import type { SealingProvider } from './provider.ts';
import {
  deriveResponseRecords,
  type ResponseRecords,
  type ResponseSecret,
  responseNonceOctets,
} from './response-keys.ts';
import { SealingError } from './sealing-error.ts';

/** Most chunks being opened at once beside the one that is awaited. */
const MOST_AHEAD = 8;

interface Opened {
  readonly plaintext: Bytes;
  readonly final: boolean;
}

/**
 * The plaintext of a chunked response, each chunk as soon as it is opened. The stream closes only after the final chunk was
 * authenticated; anything else, an end of `body` above all, is an error (`response_truncated`, `response_malformed`,
 * `chunk_empty`, `chunk_too_large`, `open_failed`), after which `body` is cancelled. A failure of `body` itself passes through.
 * Cancelling the plaintext cancels `body`. Nothing is read before the first pull.
 */
export function openResponseStream(
  body: ReadableStream<Uint8Array>,
  secret: ResponseSecret,
  provider: SealingProvider,
): ReadableStream<Bytes> {
  const reader = new OctetReader(
    body,
    Number.POSITIVE_INFINITY,
    () => new SealingError('response_malformed'),
  );
  let records: ResponseRecords | undefined;
  const ahead: Promise<Opened>[] = [];
  /** Nothing more can be queued: the next chunk is still on its way, or there is none. */
  let reading = false;

  /**
   * Where opening takes turns, starts what was already delivered, and reads one chunk further: openings overlap with each other and with
   * the wire, and still come out in their order. Nonces are taken in the order of reading, which is one at a time.
   */
  function openAhead(of: ResponseRecords): void {
    while (ahead.length < MOST_AHEAD && !reading) {
      const held = takeHeldChunk(reader);
      if (held === undefined) reading = true;
      const opening =
        held !== undefined
          ? open(of, held)
          : readChunk(reader, 'response').then((chunk) => {
              reading = chunk.final;
              return open(of, chunk);
            });
      // Its failure shows when its turn comes.
      opening.catch(() => undefined);
      ahead.push(opening);
    }
  }

  async function open(of: ResponseRecords, { sealed, final }: SealedChunk): Promise<Opened> {
    return { plaintext: await of.openChunk(sealed, final), final };
  }

  async function openNext(controller: ReadableStreamDefaultController<Bytes>): Promise<void> {
    if (records === undefined) {
      const nonce = await reader.exactly(responseNonceOctets(secret.suite));
      if (nonce === undefined) throw new SealingError('response_truncated');
      records = await deriveResponseRecords(provider, secret, nonce);
    }
    const queued = ahead.shift();
    if (queued !== undefined) {
      openAhead(records);
      handOut(controller, await queued);
      return;
    }
    const { final, sealed } = takeHeldChunk(reader) ?? (await readChunk(reader, 'response'));
    const opening = records.openChunk(sealed, final);
    if (opening instanceof Promise && !final) openAhead(records);
    handOut(controller, { plaintext: await opening, final });
  }

  function handOut(controller: ReadableStreamDefaultController<Bytes>, { plaintext, final }: Opened): void {
    if (plaintext.length > 0) controller.enqueue(plaintext);
    if (!final) return;
    reader.release();
    controller.close();
  }

  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        try {
          await openNext(controller);
        } catch (error) {
          controller.error(error);
          await reader.cancel(error).catch(() => undefined);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
