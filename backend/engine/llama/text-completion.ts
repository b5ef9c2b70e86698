// The shapes of a text completion: the whole one and the streamed chunks.

import type { AnswerEnd, AnswerPiece } from './answer-piece.ts';
import { type CompletionHead, usageOf } from './completion-head.ts';
import type { TokenLogprob } from './rank-tokens.ts';

/** One choice, generated. */
export interface TextChoice {
  /** The prompt, where the request wanted it back. */
  readonly echo: string;
  readonly pieces: readonly AnswerPiece[];
  readonly end: AnswerEnd;
}

/** The whole answer as `text_completion`. `promptTokens`: of all prompts. `logprobs`: whether the request asked for them. */
export function wholeText(
  head: CompletionHead,
  choices: readonly TextChoice[],
  promptTokens: number,
  logprobs: boolean,
): unknown {
  return {
    ...head,
    object: 'text_completion',
    choices: choices.map(({ echo, pieces, end }, index) => ({
      index,
      text: echo + pieces.map(({ text }) => text).join(''),
      logprobs: logprobs ? toLogprobs(pieces.flatMap(tokensOf)) : null,
      finish_reason: end.finishReason,
    })),
    usage: usageOf(promptTokens, countTokens(choices)),
  };
}

/** A chunk with text; the last one of a choice has none, and the reason. */
export function textChunk(
  head: CompletionHead,
  index: number,
  piece: { readonly text: string; readonly tokens?: readonly TokenLogprob[] },
  finishReason: string | null,
): unknown {
  const logprobs = piece.tokens === undefined ? null : toLogprobs(piece.tokens);
  const choice = { index, text: piece.text, logprobs, finish_reason: finishReason };
  return { ...head, object: 'text_completion', choices: [choice] };
}

/** The chunk after all choices, where `stream_options.include_usage` asked for it. */
export function textUsageChunk(
  head: CompletionHead,
  choices: readonly Pick<TextChoice, 'end'>[],
  promptTokens: number,
): unknown {
  return {
    ...head,
    object: 'text_completion',
    choices: [],
    usage: usageOf(promptTokens, countTokens(choices)),
  };
}

const countTokens = (choices: readonly Pick<TextChoice, 'end'>[]) =>
  choices.reduce((sum, { end }) => sum + end.completionTokens, 0);

const tokensOf = (piece: AnswerPiece): readonly TokenLogprob[] =>
  piece.kind === 'content' ? (piece.tokens ?? []) : [];

function toLogprobs(tokens: readonly TokenLogprob[]): unknown {
  return {
    tokens: tokens.map(({ text }) => text),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) =>
      Object.fromEntries(top.map(({ text, logprob }) => [text, logprob])),
    ),
    text_offset: tokens.map(({ offset }) => offset),
  };
}
