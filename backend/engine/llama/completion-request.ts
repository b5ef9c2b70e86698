// Reads the body of a text completion: prompts as they are, without a chat template.

import { ApiError } from './api-error.ts';
import type { JsonObject } from './grammar-schema.ts';
import { asBody, flag, invalid, isEmpty, readModel, whole } from './request-values.ts';
import { MAX_LOGPROBS, readSampling, type SamplingRequest } from './sampling-request.ts';

/** Text, or numbers of the model's own tokens. */
export type Prompt = string | readonly number[];

/** A checked text completion request. */
export interface CompletionRequest extends SamplingRequest {
  readonly model: string;
  readonly prompts: readonly Prompt[];
  /** Whether the answer begins with the prompt. */
  readonly echo: boolean;
  /** Alternatives to report for each token, 0 to 20; undefined: nothing about tokens is reported. */
  readonly logprobs: number | undefined;
}

export const MAX_PROMPTS = 128;
/** OpenAI's: completions are 16 tokens long where a request says nothing. */
export const DEFAULT_COMPLETION_TOKENS = 16;

/**
 * Checks the parsed JSON of a text completion request.
 * @throws ApiError with the member's name as `param`.
 */
export function readCompletionRequest(json: unknown): CompletionRequest {
  const body = asBody(json);
  if (!isEmpty(body.suffix) && body.suffix !== '')
    throw new ApiError('unsupported_parameter', 'This engine does not offer suffix.', 'suffix');
  const sampling = readSampling(body);
  const bestOf = whole(body.best_of, 'best_of', 1);
  if (bestOf !== undefined && bestOf !== sampling.choices)
    throw new ApiError('unsupported_parameter', 'This engine offers no best_of but n itself.', 'best_of');
  const echo = flag(body.echo, 'echo');
  const logprobs = whole(body.logprobs, 'logprobs', 0, MAX_LOGPROBS);
  if (echo && logprobs !== undefined)
    throw new ApiError('unsupported_parameter', 'This engine offers no logprobs of a prompt.', 'logprobs');
  return {
    model: readModel(body),
    ...sampling,
    maxTokens: sampling.maxTokens ?? DEFAULT_COMPLETION_TOKENS,
    prompts: readPrompts(body, 'prompt', MAX_PROMPTS),
    echo,
    logprobs,
  };
}

/**
 * A text, a list of texts, a list of token numbers, or a list of such lists.
 * @throws ApiError `invalid_value` for anything else, for nothing, and for more than `most`.
 */
export function readPrompts(body: JsonObject, member: string, most: number): Prompt[] {
  const value = body[member];
  const refusal = invalid(member, 'a string, a list of strings, or lists of token numbers, none empty');
  if (typeof value === 'string' && value !== '') return [value];
  const list: readonly unknown[] = Array.isArray(value) ? value : [];
  if (list.length === 0) throw refusal;
  if (isTokens(list)) return [list];
  if (list.length > most)
    throw new ApiError('invalid_value', `The limit of ${member} is ${most} items.`, member);
  return list.map((item) => {
    if (typeof item === 'string' && item !== '') return item;
    if (Array.isArray(item) && item.length > 0 && isTokens(item)) return item;
    throw refusal;
  });
}

function isTokens(list: readonly unknown[]): list is readonly number[] {
  return list.every((item) => Number.isSafeInteger(item) && (item as number) >= 0);
}
