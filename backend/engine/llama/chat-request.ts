// Reads the body of a chat completion: every limit is checked here, before anything is queued.

import { ApiError } from './api-error.ts';
import { type JsonObject, toGrammarSchema } from './grammar-schema.ts';

/** One message with its text parts joined. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly text: string;
}

/** What the answer must look like; `schema` is what the grammar builder takes. */
export type AnswerFormat =
  | { readonly kind: 'text' }
  | { readonly kind: 'json_object' }
  | { readonly kind: 'json_schema'; readonly schema: JsonObject };

/** A checked chat completion request. Absent members mean "the model's default". */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly maxTokens: number | undefined;
  /** 0 to 2. */
  readonly temperature: number | undefined;
  /** Over 0, up to 1. */
  readonly topP: number | undefined;
  readonly seed: number | undefined;
  /** At most four, none empty. */
  readonly stop: readonly string[];
  /** -2 to 2. */
  readonly presencePenalty: number;
  /** -2 to 2. */
  readonly frequencyPenalty: number;
  readonly format: AnswerFormat;
}

export const MAX_STOPS = 4;
export const MAX_MESSAGES = 2048;

const ROLES: Readonly<Record<string, ChatMessage['role']>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
};

// Members whose being ignored would change what the answer means. Everything else that is unknown is ignored.
const NOT_OFFERED = ['tools', 'functions', 'logit_bias', 'modalities', 'audio', 'prediction'] as const;

/**
 * Checks the parsed JSON of a chat completion request.
 * @throws ApiError with the member's name as `param`.
 */
export function readChatRequest(json: unknown): ChatRequest {
  const body = asObject(json);
  if (body === undefined) throw new ApiError('invalid_value', 'The body must be a JSON object.');
  refuseNotOffered(body);
  const model = body.model;
  if (typeof model !== 'string' || model === '') throw invalid('model', 'a string');
  const streamOptions = body.stream_options ?? undefined;
  if (streamOptions !== undefined && asObject(streamOptions) === undefined)
    throw invalid('stream_options', 'an object');
  return {
    model,
    messages: readMessages(body.messages),
    stream: flag(body.stream, 'stream'),
    includeUsage: flag(asObject(streamOptions)?.include_usage, 'stream_options.include_usage'),
    maxTokens:
      whole(body.max_completion_tokens, 'max_completion_tokens', 1) ??
      whole(body.max_tokens, 'max_tokens', 1),
    temperature: within(body.temperature, 'temperature', 0, 2),
    topP: within(body.top_p, 'top_p', Number.MIN_VALUE, 1),
    seed: whole(body.seed, 'seed', Number.MIN_SAFE_INTEGER),
    stop: readStop(body.stop),
    presencePenalty: within(body.presence_penalty, 'presence_penalty', -2, 2) ?? 0,
    frequencyPenalty: within(body.frequency_penalty, 'frequency_penalty', -2, 2) ?? 0,
    format: readFormat(body.response_format),
  };
}

function refuseNotOffered(body: JsonObject): void {
  const n = body.n ?? 1;
  if (n !== 1)
    throw new ApiError('unsupported_parameter', 'The limit of n is 1: one choice per request.', 'n');
  if ((body.logprobs ?? false) !== false)
    throw new ApiError('unsupported_parameter', 'This engine offers no logprobs.', 'logprobs');
  for (const name of NOT_OFFERED) {
    const value = body[name] ?? undefined;
    if (
      value === undefined ||
      (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
    )
      continue;
    if (name === 'modalities' && Array.isArray(value) && value.every((modality) => modality === 'text'))
      continue;
    throw new ApiError('unsupported_parameter', `This engine does not offer ${name}.`, name);
  }
}

function readMessages(value: unknown): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0)
    throw invalid('messages', 'a list with at least one message');
  if (value.length > MAX_MESSAGES) throw invalid('messages', `a list of at most ${MAX_MESSAGES} messages`);
  return value.map((item: unknown, index) => {
    const at = `messages[${index}]`;
    const message = asObject(item);
    const role = message?.role;
    const known = typeof role === 'string' && Object.hasOwn(ROLES, role) ? ROLES[role] : undefined;
    if (message === undefined || known === undefined)
      throw new ApiError('invalid_value', 'Roles are system, developer, user and assistant.', `${at}.role`);
    if (Array.isArray(message.tool_calls) && message.tool_calls.length > 0)
      throw new ApiError('unsupported_content', 'This engine does not offer tools.', `${at}.tool_calls`);
    return { role: known, text: readContent(message.content, `${at}.content`) };
  });
}

function readContent(value: unknown, param: string): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) throw invalid(param, 'a string or a list of text parts');
  return value
    .map((item: unknown, index) => {
      const part = asObject(item);
      if (part?.type !== 'text' || typeof part.text !== 'string')
        throw new ApiError('unsupported_content', 'This engine takes text parts only.', `${param}[${index}]`);
      return part.text;
    })
    .join('');
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

function readFormat(value: unknown): AnswerFormat {
  if (value === undefined || value === null) return { kind: 'text' };
  const format = asObject(value);
  switch (format?.type) {
    case 'text':
      return { kind: 'text' };
    case 'json_object':
      return { kind: 'json_object' };
    case 'json_schema': {
      const schema = asObject(asObject(format.json_schema)?.schema);
      if (schema === undefined) throw invalid('response_format.json_schema.schema', 'a JSON schema');
      return { kind: 'json_schema', schema: toGrammarSchema(schema) };
    }
    default:
      throw invalid('response_format', 'text, json_object or json_schema');
  }
}

function asObject(value: unknown): JsonObject | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as JsonObject;
}

function flag(value: unknown, param: string): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value !== 'boolean') throw invalid(param, 'true or false');
  return value;
}

function whole(value: unknown, param: string, least: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Number.isSafeInteger(value) || (value as number) < least)
    throw invalid(param, least > 0 ? `a whole number, ${least} or more` : 'a whole number');
  return value as number;
}

function within(value: unknown, param: string, low: number, high: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !(value >= low && value <= high))
    throw invalid(
      param,
      low === Number.MIN_VALUE ? `over 0 and at most ${high}` : `between ${low} and ${high}`,
    );
  return value;
}

function invalid(param: string, wanted: string): ApiError {
  return new ApiError('invalid_value', `${param} must be ${wanted}.`, param);
}
