// Counts the requests of an engine from their start to the last octet of their answers, and closes for a drain.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import type { EngineResponse } from '../engine.ts';
import { EngineError } from '../engine-error.ts';

/** A gate that every request passes. */
export class RequestGate {
  #open = true;
  #inside = 0;
  #waiting: (() => void)[] = [];

  get isOpen(): boolean {
    return this.#open;
  }

  /** Requests whose answers have not ended. */
  get inside(): number {
    return this.#inside;
  }

  /**
   * Lets one request through.
   * @throws EngineError `engine_unavailable` once the gate is closed: nothing was begun
   */
  async pass(send: () => Promise<EngineResponse>, signal?: AbortSignal): Promise<EngineResponse> {
    if (!this.#open) throw new EngineError('engine_unavailable', 'The engine takes no more requests.');
    this.#inside++;
    try {
      return whenOver(await send(), signal, () => this.#leave());
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  /** From now on nothing passes. */
  close(): void {
    this.#open = false;
  }

  /** Resolves when nobody is inside; never before. */
  empty(): Promise<void> {
    return this.#inside === 0 ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    this.#inside--;
    if (this.#inside > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** The same answer; `over` is called once: when its body has been read to its end, has failed or been cancelled, or its caller left. */
export function whenOver(
  response: EngineResponse,
  signal: AbortSignal | undefined,
  over: () => void,
): EngineResponse {
  const reader = response.body.getReader();
  let outer: ReadableStreamDefaultController<Bytes> | undefined;
  // An answer that has come whole stays in memory until somebody reads it: a caller that left would hold its engine for ever. Its
  // body fails rather than ends, so that nobody takes what there is for all of it.
  const abandon = (): void => {
    outer?.error(new EngineError('engine_aborted', 'The caller left.'));
    void reader.cancel().catch(() => {});
  };
  const end = (): void => {
    signal?.removeEventListener('abort', abandon);
    over();
  };
  reader.closed.then(end, end);
  const body = new ReadableStream<Bytes>(
    {
      start(controller) {
        outer = controller;
      },
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (signal?.aborted) return;
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          controller.error(error);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  if (signal?.aborted) abandon();
  else signal?.addEventListener('abort', abandon, { once: true });
  return { ...response, body };
}
