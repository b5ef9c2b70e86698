// Chat completions as engines send them, and what the adapter makes of them: the tools of the dialects' tests.

import { translateRequest } from '../../../../backend/adapter/dialects/translate-request.ts';
import type { Offer, Translation } from '../../../../backend/adapter/dialects/translation.ts';
import type { EngineResponse } from '../../../../backend/engine/engine.ts';
import { fromUtf8, toUtf8 } from '../../../../shared/bytes/utf8.ts';
import { offerOf } from '../../../harness/offer.ts';

export const ALL_ROUTES = [
  'GET /v1/models',
  'POST /v1/chat/completions',
  'POST /v1/completions',
  'POST /v1/embeddings',
  'POST /v1/messages',
  'POST /v1/responses',
];

/** Counts, so that ids and times are the same every time. */
export function fixedOffer(over: Partial<Offer> = {}): Offer {
  let count = 0;
  return offerOf(ALL_ROUTES, {
    now: () => new Date('2026-11-23T12:00:00Z'),
    random: (octets) => new Uint8Array(octets).fill(++count),
    ...over,
  });
}

/** Translates a POST of `body` (JSON text or a value) to `path`. */
export function translate(
  path: string,
  body: unknown,
  offer = fixedOffer(),
  headers: [string, string][] = [],
): Translation {
  const octets = toUtf8(typeof body === 'string' ? body : JSON.stringify(body));
  return translateRequest({ method: 'POST', path, headers, body: octets }, offer);
}

/** What the engine was asked. */
export function asked(translation: Translation): Record<string, unknown> {
  return JSON.parse(fromUtf8(translation.request.body)) as Record<string, unknown>;
}

/** The refusal's code and member. */
export function refusalOf(act: () => unknown): { code: string; param: string | undefined } | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    const { code, detail } = error as { code: string; detail?: { param: string } };
    return { code, param: detail?.param };
  }
}

/** Chunks of a streamed completion: each delta, then a reason and the usage. */
export function chunks(
  deltas: readonly object[],
  reason = 'stop',
  choice: object = {},
  usage: object = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
): string {
  const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'tiny' };
  const say = (value: object) => `data: ${JSON.stringify({ ...head, ...value })}\n\n`;
  return [
    say({ choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] }),
    ...deltas.map((delta) => say({ choices: [{ index: 0, delta, finish_reason: null }] })),
    say({ choices: [{ index: 0, delta: {}, finish_reason: reason, ...choice }] }),
    say({ choices: [], usage }),
    'data: [DONE]\n\n',
  ].join('');
}

/** A whole completion. */
export function completion(message: object, reason = 'stop', choice: object = {}): EngineResponse {
  return answer(
    JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: 'tiny',
      choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: reason, ...choice }],
      usage: {
        prompt_tokens: 11,
        completion_tokens: 7,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
    }),
  );
}

export function answer(text: string, status = 200, type = 'application/json'): EngineResponse {
  return { status, headers: { 'content-type': type }, body: streamOf([toUtf8(text)]) };
}

/** An event stream in these pieces; `dies`: what it ends with instead of an end. `cancelled` is called when nobody wants more. */
export function events(
  pieces: readonly Uint8Array[],
  dies?: unknown,
  cancelled?: () => void,
): EngineResponse {
  const body = streamOf(pieces, dies, cancelled);
  return { status: 200, headers: { 'content-type': 'text/event-stream' }, body };
}

function streamOf(
  pieces: readonly Uint8Array[],
  dies?: unknown,
  cancel: () => void = () => undefined,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const left = [...pieces];
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const next = left.shift();
      if (next !== undefined) controller.enqueue(new Uint8Array(next));
      else if (dies !== undefined) controller.error(dies);
      else controller.close();
    },
    cancel,
  });
}

export async function readJson(response: EngineResponse): Promise<Record<string, unknown>> {
  return (await new Response(response.body).json()) as Record<string, unknown>;
}

/** An event of a stream as a client reads it. */
export interface ReadEvent {
  readonly event: string;
  readonly data: Record<string, unknown>;
}

export function parseEvents(text: string): ReadEvent[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const [, event = '', data = ''] = /^event: (.*)\ndata: (.*)$/s.exec(block) ?? [];
      return { event, data: JSON.parse(data) as Record<string, unknown> };
    });
}

/** The text of a stream, and the error that it ended with. */
export async function readStream(response: EngineResponse): Promise<{ text: string; error: unknown }> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const piece of response.body) text += decoder.decode(piece, { stream: true });
    return { text, error: undefined };
  } catch (error) {
    return { text, error };
  }
}
