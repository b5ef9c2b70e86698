// Reads what every generating request may say about length, sampling and form of delivery.

import { ApiError } from './api-error.ts';
import type { JsonObject } from './grammar-schema.ts';
import { asObject, flag, invalid, whole, within } from './request-values.ts';

/** Checked members that chat and text completions share. Absent members mean "the model's default". */
export interface SamplingRequest {
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly maxTokens: number | undefined;
  /** Choices for one prompt, 1 to 8. */
  readonly choices: number;
  /** 0 to 2. */
  readonly temperature: number | undefined;
  /** Over 0, up to 1. */
  readonly topP: number | undefined;
  /** 0 to 1; 0 leaves it out. */
  readonly minP: number;
  /** 0 leaves it out. */
  readonly topK: number;
  readonly seed: number | undefined;
  /** At most 16, none empty. */
  readonly stop: readonly string[];
  /** -2 to 2. */
  readonly presencePenalty: number;
  /** -2 to 2. */
  readonly frequencyPenalty: number;
  /** Added to the logit of a token, -100 to 100, by token; -100 forbids it. */
  readonly logitBias: ReadonlyMap<number, number>;
}

export const MAX_STOPS = 16;
export const MAX_CHOICES = 8;
export const MAX_LOGPROBS = 20;
const MAX_BIASES = 1024;
const MOST_BIAS = 100;

/** @throws ApiError with the member's name as `param`. */
export function readSampling(body: JsonObject): SamplingRequest {
  const streamOptions = body.stream_options ?? undefined;
  if (streamOptions !== undefined && asObject(streamOptions) === undefined)
    throw invalid('stream_options', 'an object');
  return {
    stream: flag(body.stream, 'stream'),
    includeUsage: flag(asObject(streamOptions)?.include_usage, 'stream_options.include_usage'),
    maxTokens:
      whole(body.max_completion_tokens, 'max_completion_tokens', 1) ??
      whole(body.max_tokens, 'max_tokens', 1),
    choices: readChoices(body.n),
    temperature: within(body.temperature, 'temperature', 0, 2),
    topP: within(body.top_p, 'top_p', Number.MIN_VALUE, 1),
    minP: within(body.min_p, 'min_p', 0, 1) ?? 0,
    topK: Math.max(0, whole(body.top_k, 'top_k', -1) ?? 0),
    seed: whole(body.seed, 'seed', Number.MIN_SAFE_INTEGER),
    stop: readStop(body.stop),
    presencePenalty: within(body.presence_penalty, 'presence_penalty', -2, 2) ?? 0,
    frequencyPenalty: within(body.frequency_penalty, 'frequency_penalty', -2, 2) ?? 0,
    logitBias: readLogitBias(body.logit_bias),
  };
}

function readChoices(value: unknown): number {
  const n = whole(value, 'n', 1) ?? 1;
  if (n > MAX_CHOICES) throw new ApiError('invalid_value', `The limit of n is ${MAX_CHOICES}.`, 'n');
  return n;
}

function readStop(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  const stops: unknown[] = Array.isArray(value) ? value : [value];
  if (stops.length > MAX_STOPS) throw invalid('stop', `at most ${MAX_STOPS} strings`);
  return stops.map((stop) => {
    if (typeof stop !== 'string' || stop === '')
      throw invalid('stop', 'a string or a list of strings, none empty');
    return stop;
  });
}

function readLogitBias(value: unknown): Map<number, number> {
  const biases = new Map<number, number>();
  if (value === undefined || value === null) return biases;
  const entries = Object.entries(asObject(value) ?? { '': 0 });
  if (entries.length > MAX_BIASES) throw invalid('logit_bias', `at most ${MAX_BIASES} tokens`);
  for (const [token, bias] of entries) {
    if (!/^\d{1,9}$/.test(token) || typeof bias !== 'number' || !(Math.abs(bias) <= MOST_BIAS))
      throw invalid(
        'logit_bias',
        `an object of token numbers and numbers between -${MOST_BIAS} and ${MOST_BIAS}`,
      );
    biases.set(Number(token), bias);
  }
  return biases;
}
