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
  async pass(send: () => Promise<EngineResponse>): Promise<EngineResponse> {
    if (!this.#open) throw new EngineError('engine_unavailable', 'The engine takes no more requests.');
    this.#inside++;
    try {
      return whenOver(await send(), () => this.#leave());
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

/** The same answer; `over` is called once, when its body has ended, failed or been cancelled. */
export function whenOver(response: EngineResponse, over: () => void): EngineResponse {
  const reader = response.body.getReader();
  // settles without anybody reading: an answer that is aborted, or whose engine ends, counts no longer
  reader.closed.then(over, over);
  const body = new ReadableStream<Bytes>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
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
  return { ...response, body };
}
