// Says how likely a token was, and which others were.

import type { LlamaModel, Token } from 'node-llama-cpp';

/** One token by its text and the logarithm of its probability. */
export interface RankedToken {
  readonly text: string;
  /** Natural logarithm; LEAST_LOGPROB where the probability is 0. */
  readonly logprob: number;
}

/** A generated token, with the likeliest ones in its place, the likeliest first. */
export interface TokenLogprob extends RankedToken {
  readonly top: readonly RankedToken[];
  /** Characters of the answer before it. */
  readonly offset: number;
}

/** OpenAI's value for "not likely at all". */
export const LEAST_LOGPROB = -9999;

/** `probabilities`: of every token that was possible. */
export function rankTokens(
  model: LlamaModel,
  token: Token,
  probabilities: ReadonlyMap<Token, number>,
  count: number,
): Omit<TokenLogprob, 'offset'> {
  const describe = (which: Token, probability: number): RankedToken => ({
    text: model.detokenize([which], true),
    logprob: probability > 0 ? Math.log(probability) : LEAST_LOGPROB,
  });
  const top: [Token, number][] = [];
  for (const entry of count === 0 ? [] : probabilities) {
    if (top.length === count && entry[1] <= (top.at(-1)?.[1] ?? 0)) continue;
    const place = top.findIndex(([, probability]) => probability < entry[1]);
    top.splice(place < 0 ? top.length : place, 0, entry);
    if (top.length > count) top.pop();
  }
  return {
    ...describe(token, probabilities.get(token) ?? 0),
    top: top.map(([which, probability]) => describe(which, probability)),
  };
}
