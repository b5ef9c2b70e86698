// Turns an opened request into the sealed octets of its answer, piece by piece as the engine produces them.

import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import { toUtf8 } from '../../shared/bytes/utf8.ts';
import type { FieldLines } from '../../shared/sealing/bhttp-fields.ts';
import { BhttpResponseWriter } from '../../shared/sealing/bhttp-response-writer.ts';
import { padMessage } from '../../shared/sealing/length-buckets.ts';
import { PUBLIC_ERRORS, type PublicErrorCode } from '../../shared/wire/public-error.ts';
import type { Engine, EngineResponse } from '../engine/engine.ts';
import { EngineError } from '../engine/engine-error.ts';
import { paceEvents } from './cadence.ts';
import { type CadenceClock, systemClock } from './cadence-clock.ts';
import { errorBody, translateRequest } from './dialects/translate-request.ts';
import type { Offer, Translation } from './dialects/translation.ts';
import type { EngineCadence } from './engine-cadence.ts';
import type { InnerRequest, OpenedRequest } from './open-request.ts';
import { padAnswer } from './pad-answer.ts';
import { DEFAULT_PADDING, type PaddingPolicy } from './padding-policy.ts';
import { Refusal, type RefusalDetail } from './refusal.ts';
import { retryFields } from './retry-fields.ts';

/** How long a client may hear nothing before the inner status is known (design: first within 1 s, then at most every 15 s). */
const FIRST_INTERIM_MILLISECONDS = 1_000;
const NEXT_INTERIM_MILLISECONDS = 15_000;
const INTERIM_STATUS = 102;
/** A field that means nothing: an interim response has no other place for filling. */
const INTERIM_PADDING_FIELD = 'padding';
const EVENT_STREAM = 'text/event-stream';

/** How an answer ended, for the log. */
export interface AnswerOutcome {
  status: number;
  outcome: 'complete' | 'client_gone' | 'engine_failed';
}

/** How answers leave: what is hidden of their length and rhythm, and the clock for it. */
export interface Pacing {
  /** Absent: every flush of the engine leaves at once and as long as it is. */
  readonly padding: PaddingPolicy | undefined;
  readonly clock: CadenceClock;
  /** What is known of the engine's speed. Absent: every stream has the cadence of `padding`. */
  readonly engineCadence?: EngineCadence;
}

/** Padding on, on the process's clock. */
export const DEFAULT_PACING: Pacing = { padding: DEFAULT_PADDING, clock: systemClock };

/**
 * Yields the response nonce at once, sealed interim responses while the engine has not answered, then the engine's own
 * status and its body: an event stream on the cadence of `pacing`, anything else padded as a whole. The final chunk follows the
 * engine's own end only; when the engine dies inside an event stream a sealed error event comes before it, and inside
 * anything else there is no final chunk at all: the generator throws and the client sees a truncated answer.
 * `offer`: the attested surface, and what the engine is; a request beyond it never reaches the engine. `outcome` is filled in as the answer goes.
 */
export async function* answerRequest(
  opened: OpenedRequest,
  engine: Pick<Engine, 'request'>,
  offer: Offer,
  signal: AbortSignal,
  outcome: AnswerOutcome,
  { padding, clock, engineCadence }: Pacing = DEFAULT_PACING,
): AsyncGenerator<Bytes, void, undefined> {
  const { sealer } = opened;
  const writer = new BhttpResponseWriter();
  const openedAt = clock.now();
  yield sealer.start();

  const translation = opened.refusal ?? translate(opened.inner, offer);
  if (translation instanceof Refusal) {
    outcome.status = PUBLIC_ERRORS[translation.code].status;
    yield* sealedError(translation.code, translation.detail);
    return;
  }

  const pending = settle(engine.request({ ...translation.request, signal }).then(translation.answer));
  let interimAt = openedAt + FIRST_INTERIM_MILLISECONDS;
  let interimOctets = 0;
  let answer = await Promise.race([pending, later(interimAt)]);
  while (answer === undefined) {
    signal.throwIfAborted();
    const interim = writer.informational(INTERIM_STATUS, interimFields(padding, interimOctets === 0));
    interimOctets += interim.length;
    yield await sealer.seal(interim);
    interimAt += NEXT_INTERIM_MILLISECONDS;
    answer = await Promise.race([pending, later(interimAt)]);
  }
  if ('error' in answer) {
    outcome.outcome = 'engine_failed';
    const code = engineErrorCode(answer.error);
    outcome.status = PUBLIC_ERRORS[code].status;
    yield* sealedError(code);
    return;
  }

  const { response } = answer;
  const failed = translation.failureEvent;
  outcome.status = response.status;
  const contentType = response.headers['content-type'] ?? 'application/octet-stream';
  const streamed = contentType.startsWith(EVENT_STREAM);
  const head = writer.head(response.status, responseFields(contentType));
  if (padding === undefined) yield* sealEach(passOn(head, response.body));
  else if (!streamed) yield* sealEach(marked(padAnswer(writer, head, response.body, padding.answerBuckets)));
  else {
    const stream = { writer, head, body: response.body, sentBefore: interimOctets, openedAt, signal };
    yield* sealEach(paceEvents({ ...stream, failureEvent }, padding, clock, engineCadence));
  }
  yield await sealer.finish();

  async function* sealEach(pieces: AsyncIterable<Bytes>): AsyncGenerator<Bytes, void, undefined> {
    for await (const piece of pieces) if (piece.length > 0) yield await sealer.seal(piece);
  }

  async function* passOn(head: Bytes, body: AsyncIterable<Bytes>): AsyncGenerator<Bytes, void, undefined> {
    yield head;
    try {
      for await (const piece of body) yield writer.content(piece);
    } catch (error) {
      if (signal.aborted) throw error;
      const event = failureEvent(error);
      if (!streamed) throw error;
      yield writer.content(toUtf8(event));
    }
    yield writer.end();
  }

  async function* marked(pieces: AsyncIterable<Bytes>): AsyncGenerator<Bytes, void, undefined> {
    try {
      yield* pieces;
    } catch (error) {
      if (!signal.aborted) outcome.outcome = 'engine_failed';
      throw error;
    }
  }

  function failureEvent(error: unknown): string {
    outcome.outcome = 'engine_failed';
    return failed(engineErrorCode(error));
  }

  async function* sealedError(
    code: PublicErrorCode,
    detail?: RefusalDetail,
  ): AsyncGenerator<Bytes, void, undefined> {
    const headers: FieldLines = [['content-type', 'application/json'], ...retryFields(code)];
    const head = writer.head(PUBLIC_ERRORS[code].status, headers);
    const content = writer.content(toUtf8(JSON.stringify(errorBody(opened.inner.path, code, detail))));
    const message = concat(head, content, writer.end());
    yield await sealer.seal(padding === undefined ? message : padMessage(message, padding.answerBuckets));
    yield await sealer.finish();
  }

  function later(time: number): Promise<undefined> {
    return clock.until(time, signal).then(() => undefined);
  }
}

// As long as the smallest piece of a stream: framing indicator (first time), status, name, value and end of fields.
function interimFields(padding: PaddingPolicy | undefined, first: boolean): FieldLines {
  if (padding === undefined) return [];
  const others = (first ? 1 : 0) + 2 + (1 + INTERIM_PADDING_FIELD.length) + 2 + 1;
  return [[INTERIM_PADDING_FIELD, '.'.repeat(padding.leastOctets - others)]];
}

function translate(inner: InnerRequest, offer: Offer): Translation | Refusal {
  try {
    return translateRequest(inner, offer);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
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
