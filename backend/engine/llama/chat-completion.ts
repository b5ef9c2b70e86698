// The shapes of a chat completion: the whole one and the streamed chunks.

import type { AnswerEnd, AnswerPiece } from './generate-chat.ts';

/** What every chunk of one answer shares. */
export interface CompletionHead {
  /** `chatcmpl-` and 24 random characters. */
  readonly id: string;
  readonly model: string;
  /** Unix seconds. */
  readonly created: number;
}

/** A head for a new answer. */
export function newHead(model: string): CompletionHead {
  const id = `chatcmpl-${crypto.randomUUID().replaceAll('-', '').slice(0, 24)}`;
  return { id, model, created: Math.floor(Date.now() / 1000) };
}

/** The whole answer as `chat.completion`. */
export function wholeCompletion(
  head: CompletionHead,
  pieces: readonly AnswerPiece[],
  end: AnswerEnd,
): unknown {
  const join = (kind: AnswerPiece['kind']) =>
    pieces
      .filter((piece) => piece.kind === kind)
      .map((piece) => piece.text)
      .join('');
  const reasoning = join('reasoning');
  return {
    ...head,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: join('content'),
          refusal: null,
          ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
        },
        logprobs: null,
        finish_reason: end.finishReason,
      },
    ],
    usage: usage(end),
  };
}

/** The first chunk: who speaks. */
export function roleChunk(head: CompletionHead): unknown {
  return chunk(head, { role: 'assistant', content: '' }, null);
}

/** A chunk with text. */
export function pieceChunk(head: CompletionHead, piece: AnswerPiece): unknown {
  const delta = piece.kind === 'content' ? { content: piece.text } : { reasoning_content: piece.text };
  return chunk(head, delta, null);
}

/** The last chunk of the choice. */
export function finishChunk(head: CompletionHead, end: AnswerEnd): unknown {
  return chunk(head, {}, end.finishReason);
}

/** The chunk after it, where `stream_options.include_usage` asked for it: no choices. */
export function usageChunk(head: CompletionHead, end: AnswerEnd): unknown {
  return { ...head, object: 'chat.completion.chunk', choices: [], usage: usage(end) };
}

function chunk(head: CompletionHead, delta: unknown, finishReason: string | null): unknown {
  const choice = { index: 0, delta, logprobs: null, finish_reason: finishReason };
  return { ...head, object: 'chat.completion.chunk', choices: [choice] };
}

function usage(end: AnswerEnd): unknown {
  return {
    prompt_tokens: end.promptTokens,
    completion_tokens: end.completionTokens,
    total_tokens: end.promptTokens + end.completionTokens,
  };
}
