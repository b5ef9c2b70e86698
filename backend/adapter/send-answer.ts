// How answers leave: as a web Response, or straight into Node's, which saves what lies between.

import type { ServerResponse } from 'node:http';
import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import type { SealedAnswer } from './sealed-route.ts';

/** So much is not gathered beyond: it goes out at once. */
const MOST_HELD_OCTETS = 64 * 1024;

/** The answer as a Response. Its stream is read one piece at a time. */
export function answerResponse(answer: SealedAnswer): Response {
  const body = new ReadableStream<Bytes>({
    async pull(controller) {
      try {
        const piece = await answer.next();
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      } catch (error) {
        controller.error(error);
      }
    },
    cancel: () => answer.cancel(),
  });
  return new Response(body, { headers: answer.headers });
}

/**
 * Writes the answer. Pieces that are ready within one turn of the event loop go out in one write; none waits longer. A reader who does
 * not read stops the engine's reading; a client who leaves ends the answer, and an answer that is cut ends its connection.
 */
export async function sendAnswer(answer: SealedAnswer, outgoing: ServerResponse): Promise<void> {
  let held: Bytes[] = [];
  let heldOctets = 0;
  let flushing: NodeJS.Immediate | undefined;
  let onward: () => void = () => undefined;
  const flush = (): void => {
    clearImmediate(flushing);
    flushing = undefined;
    const octets = held.length === 1 ? held[0] : concat(...held);
    held = [];
    heldOctets = 0;
    if (octets !== undefined && !outgoing.destroyed) outgoing.write(octets);
  };
  outgoing.on('drain', () => onward());
  outgoing.once('close', () => {
    clearImmediate(flushing);
    answer.cancel();
    onward();
  });
  // Chunked even where the whole answer is there at once: no answer shows its length before its end.
  outgoing.writeHead(200, { ...answer.headers, 'transfer-encoding': 'chunked' });
  try {
    for (let piece = await answer.next(); piece !== undefined; piece = await answer.next()) {
      if (outgoing.destroyed) return;
      held.push(piece);
      heldOctets += piece.length;
      if (heldOctets > MOST_HELD_OCTETS) flush();
      else flushing ??= setImmediate(flush);
      if (outgoing.writableNeedDrain)
        await new Promise<void>((resolve) => {
          onward = resolve;
        });
    }
    clearImmediate(flushing);
    outgoing.end(concat(...held));
  } catch {
    // What was sealed goes out first: a connection that ends before any answer reads as a request that was never started.
    if (held.length > 0) flush();
    outgoing.write('', () => outgoing.destroy());
  }
}
