// What every answer of every shape has in common: its head, its end and its count.

import type { AnswerEnd } from './answer-piece.ts';

/** What every chunk of one answer shares. */
export interface CompletionHead {
  /** `chatcmpl-` or `cmpl-` and 24 random characters. */
  readonly id: string;
  readonly model: string;
  /** Unix seconds. */
  readonly created: number;
}

/** A head for a new answer. */
export function newHead(model: string, prefix: 'chatcmpl' | 'cmpl'): CompletionHead {
  const id = `${prefix}-${crypto.randomUUID().replaceAll('-', '').slice(0, 24)}`;
  return { id, model, created: Math.floor(Date.now() / 1000) };
}

/** The `usage` of choices for one prompt: the prompt counts once, and in full, wherever its tokens came from. */
export function countUsage(ends: readonly AnswerEnd[]): object {
  const [first] = ends;
  return usageOf(
    first?.promptTokens ?? 0,
    ends.reduce((sum, end) => sum + end.completionTokens, 0),
    first?.cachedTokens ?? 0,
  );
}

/** The `usage` of such numbers. */
export function usageOf(promptTokens: number, completionTokens: number, cachedTokens = 0): object {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    ...(cachedTokens > 0 && { prompt_tokens_details: { cached_tokens: cachedTokens } }),
  };
}
