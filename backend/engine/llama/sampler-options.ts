// What a request says about sampling, in the library's words.

import type { Token, TokenBias } from 'node-llama-cpp';
import { ApiError } from './api-error.ts';
import type { LoadedModel } from './load-model.ts';
import type { SamplingRequest } from './sampling-request.ts';

/** Used where a request names no sampling of its own. */
export interface SamplingDefaults {
  readonly temperature: number;
  readonly topP: number;
}

const UINT32 = 2 ** 32;
/** OpenAI: a bias of -100 should be a ban. */
const BAN = -100;

/** The library's options; `choice` is the number of the choice, of which each has a seed of its own. */
export function samplerOptions(request: SamplingRequest, defaults: SamplingDefaults, choice: number) {
  return {
    temperature: request.temperature ?? defaults.temperature,
    topP: request.topP ?? defaults.topP,
    topK: request.topK,
    minP: request.minP,
    seed: samplerSeed(request.seed, choice),
  };
}

/** The biases of a request, or nothing. @throws ApiError `invalid_value` for a token that the model has not. */
export function tokenBias(
  { library, model, vocabulary }: LoadedModel,
  { logitBias }: SamplingRequest,
): { tokenBias?: TokenBias } {
  if (logitBias.size === 0) return {};
  const bias = library.TokenBias.for(model);
  for (const [token, amount] of logitBias) {
    if (token >= vocabulary)
      throw new ApiError('invalid_value', 'The model has no such token.', 'logit_bias');
    bias.set([token as Token], amount <= BAN ? 'never' : { logit: amount });
  }
  return { tokenBias: bias };
}

// OpenAI's seed is a signed 64-bit number, llama.cpp's an unsigned 32-bit one.
function samplerSeed(seed: number | undefined, choice: number): number {
  if (seed === undefined) return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  return ((seed % UINT32) + UINT32 + choice) % UINT32;
}
