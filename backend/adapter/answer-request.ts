// Turns an opened request into the sealed octets of its answer, piece by piece as the engine produces them.

import type { Bytes } from '../../shared/bytes/concat.ts';
import { toUtf8 } from '../../shared/bytes/utf8.ts';
import type { FieldLines } from '../../shared/sealing/bhttp-fields.ts';
import { BhttpResponseWriter } from '../../shared/sealing/bhttp-response-writer.ts';
import { PUBLIC_ERRORS, type PublicErrorCode, publicErrorBody } from '../../shared/wire/public-error.ts';
import type { Engine, EngineResponse } from '../engine/engine.ts';
import { EngineError } from '../engine/engine-error.ts';
import { headerValue, type InnerRequest, type OpenedRequest } from './open-request.ts';
import { retryFields } from './retry-fields.ts';

/** How long a client may hear nothing before the inner status is known (design: first within 1 s, then at most every 15 s). */
const FIRST_INTERIM_MILLISECONDS = 1_000;
const NEXT_INTERIM_MILLISECONDS = 15_000;
const INTERIM_STATUS = 102;
const EVENT_STREAM = 'text/event-stream';

/** How an answer ended, for the log. */
export interface AnswerOutcome {
  status: number;
  outcome: 'complete' | 'client_gone' | 'engine_failed';
}

/**
 * Yields the response nonce at once, sealed interim responses while the engine has not answered, then the engine's own
 * status, and every flush of its body as its own sealed chunks. The final chunk follows the engine's own end only; when
 * the engine dies inside an event stream a sealed error event comes before it, and inside anything else there is no final
 * chunk at all: the generator throws and the client sees a truncated answer.
 * `routes`: the inner routes of the attested surface, `METHOD /path`. `outcome` is filled in as the answer goes.
 */
export async function* answerRequest(
  opened: OpenedRequest,
  engine: Engine,
  routes: readonly string[],
  signal: AbortSignal,
  outcome: AnswerOutcome,
): AsyncGenerator<Bytes, void, undefined> {
  const { sealer } = opened;
  const writer = new BhttpResponseWriter();
  yield sealer.start();

  const refused = opened.refusal?.code ?? refuseRoute(opened.inner, routes);
  if (refused !== undefined) {
    outcome.status = PUBLIC_ERRORS[refused].status;
    yield* sealedError(refused);
    return;
  }

  const pending = settle(engine.request(engineRequest(opened.inner, signal)));
  let wait = FIRST_INTERIM_MILLISECONDS;
  let answer = await Promise.race([pending, later(wait)]);
  while (answer === undefined) {
    yield await sealer.seal(writer.informational(INTERIM_STATUS, []));
    wait = NEXT_INTERIM_MILLISECONDS;
    answer = await Promise.race([pending, later(wait)]);
  }
  if ('error' in answer) {
    outcome.outcome = 'engine_failed';
    const code = engineErrorCode(answer.error);
    outcome.status = PUBLIC_ERRORS[code].status;
    yield* sealedError(code);
    return;
  }

  const { response } = answer;
  outcome.status = response.status;
  const contentType = response.headers['content-type'] ?? 'application/octet-stream';
  yield await sealer.seal(writer.head(response.status, responseFields(contentType)));
  try {
    for await (const piece of response.body)
      if (piece.length > 0) yield await sealer.seal(writer.content(piece));
  } catch (error) {
    if (signal.aborted) throw error;
    outcome.outcome = 'engine_failed';
    if (!contentType.startsWith(EVENT_STREAM)) throw error;
    const event = `data: ${JSON.stringify(publicErrorBody(engineErrorCode(error)))}\n\n`;
    yield await sealer.seal(writer.content(toUtf8(event)));
  }
  yield await sealer.seal(writer.end());
  yield await sealer.finish();

  async function* sealedError(code: PublicErrorCode): AsyncGenerator<Bytes, void, undefined> {
    const headers: FieldLines = [['content-type', 'application/json'], ...retryFields(code)];
    yield await sealer.seal(writer.head(PUBLIC_ERRORS[code].status, headers));
    yield await sealer.seal(writer.content(toUtf8(JSON.stringify(publicErrorBody(code)))));
    yield await sealer.seal(writer.end());
    yield await sealer.finish();
  }
}

function refuseRoute(inner: InnerRequest, routes: readonly string[]): PublicErrorCode | undefined {
  return routes.includes(`${inner.method} ${inner.path}`) ? undefined : 'route_not_offered';
}

// What the engine is told is built, never copied: no header of the client but the type of its body reaches it.
function engineRequest(inner: InnerRequest, signal: AbortSignal) {
  const headers: Record<string, string> = {};
  const contentType = headerValue(inner.headers, 'content-type');
  if (contentType !== undefined) headers['content-type'] = contentType;
  return { method: inner.method, path: inner.path, headers, body: inner.body, signal };
}

// The engine is untrusted code: of its headers only the type of the body passes, and only a known one.
function responseFields(contentType: string): FieldLines {
  return [
    ['content-type', contentType.startsWith(EVENT_STREAM) ? EVENT_STREAM : 'application/json'],
    ['cache-control', 'no-store'],
  ];
}

function engineErrorCode(error: unknown): PublicErrorCode {
  return error instanceof EngineError && error.code === 'engine_unavailable'
    ? 'engine_unavailable'
    : 'engine_crashed';
}

type Settled = { readonly response: EngineResponse } | { readonly error: unknown };

function settle(request: Promise<EngineResponse>): Promise<Settled> {
  return request.then(
    (response) => ({ response }),
    (error: unknown) => ({ error }),
  );
}

function later(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, undefined).unref());
}
