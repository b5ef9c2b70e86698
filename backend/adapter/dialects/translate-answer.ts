// Turns the engine's chat completion into another dialect: an error, a whole answer, or a stream of events.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { fromUtf8, toUtf8 } from '../../../shared/bytes/utf8.ts';
import type { PublicErrorCode } from '../../../shared/wire/public-error.ts';
import type { EngineResponse } from '../../engine/engine.ts';
import { asObject } from '../limits/read-json-body.ts';
import { readWholeAnswer, stringOf, type WholeAnswer } from './chat-answer.ts';
import { type AnswerStep, ChatSteps } from './chat-steps.ts';
import { EventReader, invalidAnswer } from './read-events.ts';

/** An error as OpenAI's API has it. */
export interface ApiProblem {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
}

/** How one dialect says what a chat completion says. One writer for each answer. */
export interface AnswerWriter {
  /** A whole answer as JSON. @throws EngineError when the dialect cannot say it. */
  whole(answer: WholeAnswer): object;
  /** The events of one step, as they stand in the stream; empty for none. */
  step(step: AnswerStep): string;
  /** The last event of a stream that failed. */
  failure(code: PublicErrorCode): string;
  /** The body of an error status. */
  problem(status: number, problem: ApiProblem): object;
  readonly newCallId: () => string;
}

/** One event of a stream. */
export function writeEvent(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/**
 * The engine's answer in the dialect of `writer`.
 * @throws EngineError `engine_answer_invalid` when the engine's answer is none.
 */
export async function translateAnswer(
  response: EngineResponse,
  writer: AnswerWriter,
): Promise<EngineResponse> {
  const type = response.headers['content-type'] ?? '';
  if (response.status < 400 && type.startsWith('text/event-stream'))
    return { ...response, body: translateStream(response.body, writer) };
  const text = await readText(response.body);
  const body =
    response.status < 400
      ? writer.whole(readWholeAnswer(text, writer.newCallId))
      : writer.problem(response.status, readProblem(text));
  return {
    status: response.status,
    headers: { 'content-type': 'application/json' },
    body: new Blob([toUtf8(JSON.stringify(body))]).stream() as ReadableStream<Bytes>,
  };
}

/** Reads only when it is read, and holds at most one event and the state of `writer`. */
function translateStream(body: ReadableStream<Bytes>, writer: AnswerWriter): ReadableStream<Bytes> {
  const reader = body.getReader();
  const events = new EventReader();
  const steps = new ChatSteps(writer.newCallId);
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        try {
          for (;;) {
            const { done, value } = await reader.read();
            const happened = done ? steps.finish() : events.push(value).flatMap((data) => steps.push(data));
            const text = happened.map((step) => writer.step(step)).join('');
            if (text !== '') controller.enqueue(toUtf8(text));
            if (done) controller.close();
            if (done || text !== '') return;
          }
        } catch (error) {
          // An engine that talks nonsense is stopped, not listened to.
          reader.cancel().catch(() => undefined);
          throw error;
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

async function readText(body: ReadableStream<Bytes>): Promise<string> {
  try {
    return fromUtf8(new Uint8Array(await new Response(body).arrayBuffer()));
  } catch (error) {
    if (error instanceof Error && error.name === 'DecodeError') throw invalidAnswer('is not UTF-8');
    throw error;
  }
}

function readProblem(text: string): ApiProblem {
  let error: ReturnType<typeof asObject>;
  try {
    const body = asObject(JSON.parse(text));
    error = asObject(body?.error) ?? body;
  } catch {
    // An error all the same; its words are lost.
  }
  return {
    message: stringOf(error?.message) || 'The engine refused the request.',
    type: stringOf(error?.type) || 'invalid_request_error',
    param: stringOf(error?.param) || null,
    code: stringOf(error?.code) || null,
  };
}
