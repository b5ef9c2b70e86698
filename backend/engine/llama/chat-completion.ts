// The shapes of a chat completion: the whole one and the streamed chunks.

import type { AnswerEnd, AnswerPiece } from './answer-piece.ts';
import { type CompletionHead, countUsage } from './completion-head.ts';
import type { TokenLogprob } from './rank-tokens.ts';

/** One choice, generated: its pieces and its end. */
export interface Choice {
  readonly pieces: readonly AnswerPiece[];
  readonly end: AnswerEnd;
}

/** The whole answer as `chat.completion`. `logprobs`: whether the request asked for them. */
export function wholeCompletion(
  head: CompletionHead,
  choices: readonly Choice[],
  logprobs: boolean,
): unknown {
  return {
    ...head,
    object: 'chat.completion',
    choices: choices.map(({ pieces, end }, index) => ({
      index,
      message: toMessage(pieces),
      logprobs: logprobs ? toLogprobs(pieces.flatMap(tokensOf)) : null,
      finish_reason: end.finishReason,
    })),
    usage: countUsage(choices.map(({ end }) => end)),
  };
}

function toMessage(pieces: readonly AnswerPiece[]): object {
  const join = (kind: AnswerPiece['kind']) =>
    pieces
      .filter((piece) => piece.kind === kind)
      .map((piece) => piece.text)
      .join('');
  const content = join('content');
  const reasoning = join('reasoning');
  const calls = joinCalls(pieces);
  return {
    role: 'assistant',
    content: calls.length > 0 && content === '' ? null : content,
    refusal: null,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

function joinCalls(pieces: readonly AnswerPiece[]): object[] {
  const calls = new Map<number, { id: string; name: string; text: string }>();
  for (const piece of pieces) {
    if (piece.kind !== 'call') continue;
    const { id, name } = piece.begins ?? calls.get(piece.index) ?? { id: '', name: '' };
    calls.set(piece.index, { id, name, text: (calls.get(piece.index)?.text ?? '') + piece.text });
  }
  return [...calls.values()].map(({ id, name, text }) => ({
    id,
    type: 'function',
    function: { name, arguments: text },
  }));
}

/** The first chunk of a choice: who speaks. */
export function roleChunk(head: CompletionHead, index: number): unknown {
  return chunk(head, index, { role: 'assistant', content: '' }, null);
}

/** A chunk with a piece of the answer. */
export function pieceChunk(head: CompletionHead, index: number, piece: AnswerPiece): unknown {
  const tokens = tokensOf(piece);
  return chunk(head, index, toDelta(piece), null, tokens.length > 0 ? toLogprobs(tokens) : null);
}

/** The last chunk of the choice. */
export function finishChunk(head: CompletionHead, index: number, end: AnswerEnd): unknown {
  return chunk(head, index, {}, end.finishReason);
}

/** The chunk after all choices, where `stream_options.include_usage` asked for it: no choices. */
export function usageChunk(head: CompletionHead, ends: readonly AnswerEnd[]): unknown {
  return { ...head, object: 'chat.completion.chunk', choices: [], usage: countUsage(ends) };
}

function toDelta(piece: AnswerPiece): object {
  if (piece.kind === 'content') return { content: piece.text };
  if (piece.kind === 'reasoning') return { reasoning_content: piece.text };
  const { index, begins, text } = piece;
  const called = begins === undefined ? {} : { id: begins.id, type: 'function' };
  const name = begins === undefined ? {} : { name: begins.name };
  return { tool_calls: [{ index, ...called, function: { ...name, arguments: text } }] };
}

function chunk(
  head: CompletionHead,
  index: number,
  delta: unknown,
  finishReason: string | null,
  logprobs: unknown = null,
): unknown {
  const choice = { index, delta, logprobs, finish_reason: finishReason };
  return { ...head, object: 'chat.completion.chunk', choices: [choice] };
}

const tokensOf = (piece: AnswerPiece): readonly TokenLogprob[] =>
  piece.kind === 'content' ? (piece.tokens ?? []) : [];

function toLogprobs(tokens: readonly TokenLogprob[]): unknown {
  const describe = ({ text, logprob }: { readonly text: string; readonly logprob: number }) => ({
    token: text,
    logprob,
    // part of a character has octets that are no text: the library does not tell them
    bytes: text.includes('\u{fffd}') ? null : [...Buffer.from(text)],
  });
  const content = tokens.map((token) => ({ ...describe(token), top_logprobs: token.top.map(describe) }));
  return { content, refusal: null };
}
