// Asks an engine over its socket, whole and streamed, and reads what OpenAI's API says an answer looks like.

import type { EngineClient } from '../../../../backend/engine/engine-client.ts';

/** One answer. */
export interface Asked {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

export interface ToolCallShape {
  readonly id: string;
  readonly type: string;
  readonly function: { readonly name: string; readonly arguments: string };
}

export interface LogprobShape {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[] | null;
  readonly top_logprobs: readonly { readonly token: string; readonly logprob: number }[];
}

export interface ChatShape {
  readonly object: string;
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly message: {
      readonly role: string;
      readonly content: string | null;
      readonly tool_calls?: readonly ToolCallShape[];
    };
    readonly logprobs?: { readonly content: readonly LogprobShape[] } | null;
    readonly finish_reason: string;
  }[];
  readonly usage: UsageShape;
}

export interface UsageShape {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

export interface ChunkShape {
  readonly object: string;
  readonly choices: readonly {
    readonly index: number;
    readonly text?: string;
    readonly delta?: {
      readonly role?: string;
      readonly content?: string | null;
      readonly tool_calls?: readonly {
        readonly index: number;
        readonly id?: string;
        readonly type?: string;
        readonly function: { readonly name?: string; readonly arguments?: string };
      }[];
    };
    readonly logprobs?: { readonly content: readonly LogprobShape[] } | null;
    readonly finish_reason: string | null;
  }[];
  readonly usage?: UsageShape | null;
}

/** POSTs JSON; the answer's text in full. */
export async function post(
  client: Pick<EngineClient, 'request'>,
  path: string,
  body: unknown,
  { headers = {}, signal }: { headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Asked> {
  const answer = await client.request({
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', ...headers },
    body: new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body)),
    ...(signal && { signal }),
  });
  return {
    status: answer.status,
    type: answer.headers['content-type'] ?? '',
    text: await new Response(answer.body).text(),
  };
}

/** The events of a stream, without `[DONE]`, which must be the last. */
export function readEvents({ status, type, text }: Asked): ChunkShape[] {
  if (status !== 200 || !type.startsWith('text/event-stream'))
    throw new Error(`no stream: ${status} ${text}`);
  const events = text
    .split('\n\n')
    .map((event) => event.trim())
    .filter((event) => event.startsWith('data: '))
    .map((event) => event.slice('data: '.length));
  if (events.pop() !== '[DONE]') throw new Error('the stream does not end with [DONE]');
  return events.map((event) => JSON.parse(event) as ChunkShape);
}

/** What the streamed deltas of one choice add up to. */
export function joinChunks(chunks: readonly ChunkShape[], index = 0) {
  let content = '';
  let finish: string | null = null;
  const calls: { id: string; name: string; arguments: string }[] = [];
  for (const choice of chunks.flatMap((chunk) => chunk.choices)) {
    if (choice.index !== index) continue;
    content += choice.delta?.content ?? choice.text ?? '';
    finish = choice.finish_reason ?? finish;
    for (const call of choice.delta?.tool_calls ?? []) {
      const { id = '', function: called } = call;
      calls[call.index] ??= { id, name: called.name ?? '', arguments: '' };
      const known = calls[call.index];
      if (known !== undefined) known.arguments += called.arguments ?? '';
    }
  }
  return { content, finish, calls };
}
