// Speaks HTTP to an engine on its Unix socket, trusting nothing that comes back: no redirect, one header, caps on size and time.

import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Bytes } from '../../shared/bytes/concat.ts';
import type { EngineHealth, EngineRequest, EngineResponse } from './engine.ts';
import { EngineError, type EngineErrorCode } from './engine-error.ts';

/** Caps on every answer. */
export interface AnswerCaps {
  /** Octets of a whole answer. */
  readonly bytes: number;
  /** Milliseconds from the request to the last octet. */
  readonly milliseconds: number;
}

export const DEFAULT_ANSWER_CAPS: AnswerCaps = { bytes: 64 * 1024 * 1024, milliseconds: 30 * 60_000 };

const HEALTH_CAPS: AnswerCaps = { bytes: 4096, milliseconds: 5000 };
const HEAD_BYTES = 16 * 1024;
/** What `connect` says when nothing listens: the request cannot have begun. */
const NOT_LISTENING: readonly (string | undefined)[] = ['ENOENT', 'ECONNREFUSED', 'EACCES'];

/** A client of one engine's socket. */
export class EngineClient {
  readonly #socketPath: string;
  readonly #caps: AnswerCaps;
  readonly #agent: Agent;
  /**
   * `keepAlive` false: a connection for each request. For engines that close idle ones by a clock or a count of their own: a request that
   * meets such an end would look like a crash, and must not be sent twice.
   */
  constructor(
    socketPath: string,
    caps: AnswerCaps = DEFAULT_ANSWER_CAPS,
    { keepAlive = true }: { readonly keepAlive?: boolean } = {},
  ) {
    this.#socketPath = socketPath;
    this.#caps = caps;
    this.#agent = new Agent({ keepAlive, maxFreeSockets: 8 });
  }

  /**
   * Sends one request; resolves with the answer's head.
   * @throws EngineError; see EngineErrorCode.
   */
  request(engineRequest: EngineRequest): Promise<EngineResponse> {
    return this.#send(engineRequest, this.#caps);
  }

  /** Asks the engine how it is. @throws EngineError when it cannot be asked or answers something else. */
  async health(): Promise<EngineHealth> {
    const asked = { method: 'GET', path: '/health', headers: {}, body: new Uint8Array() };
    const answer = await this.#send(asked, HEALTH_CAPS);
    const health = parseHealth(await new Response(answer.body).text());
    if (health === undefined)
      throw new EngineError('engine_answer_invalid', 'The engine’s health is not readable.');
    return health;
  }

  /** Closes idle connections. */
  close(): void {
    this.#agent.destroy();
  }

  #send({ method, path, headers, body, signal }: EngineRequest, caps: AnswerCaps): Promise<EngineResponse> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted());
      // What ended the exchange, when it was us: the socket's own error then says nothing new.
      let reason: EngineError | undefined;
      const outgoing = httpRequest({
        socketPath: this.#socketPath,
        agent: this.#agent,
        method,
        path,
        headers: { ...headers, host: 'engine', 'content-length': body.length },
        maxHeaderSize: HEAD_BYTES,
      });
      const stop = (why: EngineError) => {
        reason ??= why;
        // Without an argument: the socket may be back in the agent already, where nobody listens for its errors.
        outgoing.destroy();
      };
      const onAbort = () => stop(aborted());
      const timer = setTimeout(
        () =>
          stop(new EngineError('engine_timeout', `The engine did not finish in ${caps.milliseconds} ms.`)),
        caps.milliseconds,
      );
      signal?.addEventListener('abort', onAbort, { once: true });
      outgoing.on('close', () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        // A switch of protocols closes without a response and without an error; after either, this changes nothing.
        reject(reason ?? crashed());
      });
      outgoing.on('error', (error: NodeJS.ErrnoException) => reject(reason ?? translate(error)));
      outgoing.on('response', (incoming) => {
        const status = incoming.statusCode ?? 0;
        if (status < 200 || (status >= 300 && status < 400))
          return stop(new EngineError('engine_answer_invalid', `The engine answered with status ${status}.`));
        const type = incoming.headers['content-type'];
        resolve({
          status,
          headers: type === undefined ? {} : { 'content-type': type },
          body: toStream(incoming, caps.bytes, stop, () => reason),
        });
      });
      outgoing.end(body);
    });
  }
}

function toStream(
  incoming: IncomingMessage,
  cap: number,
  stop: (why: EngineError) => void,
  reason: () => EngineError | undefined,
): ReadableStream<Bytes> {
  let length = 0;
  let ended = false;
  return new ReadableStream<Bytes>({
    start(controller) {
      const fail = (why: EngineError) => {
        if (ended) return;
        ended = true;
        controller.error(why);
      };
      incoming.on('data', (piece: Buffer) => {
        if (ended) return;
        length += piece.length;
        if (length > cap) {
          const why = new EngineError(
            'engine_answer_too_large',
            `The engine’s answer is over ${cap} octets.`,
          );
          fail(why);
          return stop(why);
        }
        controller.enqueue(new Uint8Array(piece));
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
      });
      // `complete` is true only after the last chunk or the announced length: a crash never looks like an end.
      incoming.on('end', () => {
        if (!incoming.complete) return fail(reason() ?? crashed());
        if (ended) return;
        ended = true;
        controller.close();
      });
      incoming.on('error', () => fail(reason() ?? crashed()));
      incoming.on('close', () => fail(reason() ?? crashed()));
    },
    pull() {
      incoming.resume();
    },
    cancel() {
      ended = true;
      stop(aborted());
    },
  });
}

function translate(error: NodeJS.ErrnoException): EngineError {
  if (NOT_LISTENING.includes(error.code))
    return new EngineError('engine_unavailable', 'The engine is not running.');
  const code: EngineErrorCode = error.code?.startsWith('HPE_') ? 'engine_answer_invalid' : 'engine_crashed';
  return code === 'engine_crashed' ? crashed() : new EngineError(code, 'The engine’s answer is not HTTP.');
}

function crashed(): EngineError {
  return new EngineError('engine_crashed', 'The engine’s connection ended before its answer did.');
}

function aborted(): EngineError {
  return new EngineError('engine_aborted', 'The request was aborted.');
}

function parseHealth(text: string): EngineHealth | undefined {
  try {
    const { status, progress, busy, queued, total } = JSON.parse(text) as Record<string, unknown>;
    if ((status !== 'loading' && status !== 'ready') || typeof progress !== 'number') return undefined;
    const counts = Object.entries({ busy, queued, total }).filter(([, count]) => Number.isSafeInteger(count));
    return { status, progress, ...Object.fromEntries(counts) };
  } catch {
    return undefined;
  }
}
