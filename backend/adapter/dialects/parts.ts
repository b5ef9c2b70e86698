// Small pieces that both dialects read their requests with; every refusal names the member.

import { asObject, type JsonObject } from '../limits/read-json-body.ts';
import { Refusal } from '../refusal.ts';

/** @throws Refusal `invalid_request` */
export function invalid(param: string, wanted: string): Refusal {
  return new Refusal('invalid_request', { message: `${param} must be ${wanted}.`, param });
}

/** @throws Refusal `feature_not_offered` */
export function notOffered(param: string, what: string): Refusal {
  return new Refusal('feature_not_offered', {
    message: `This service does not offer ${what}. Nothing was started.`,
    param,
  });
}

/** The list, or an empty one for an absent member. @throws Refusal `invalid_request` */
export function listAt(value: unknown, param: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(param, 'a list');
  return value;
}

/** @throws Refusal `invalid_request` */
export function objectAt(value: unknown, param: string): JsonObject {
  const object = asObject(value);
  if (object === undefined) throw invalid(param, 'an object');
  return object;
}

/** @throws Refusal `invalid_request` */
export function textAt(value: unknown, param: string): string {
  if (typeof value !== 'string') throw invalid(param, 'a string');
  return value;
}

/** Members that are there; null stands for absent. */
export function present(members: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined && value !== null),
  );
}

/**
 * The members of a request that its dialect does not know: they pass to the engine as they are. Those that chat completions know are not among them: a
 * dialect says all that it has to say in its own words, and the limits were checked on those.
 */
export function unknownMembers(body: JsonObject, known: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(
    Object.entries(body).filter(([name]) => !known.has(name) && !CHAT_MEMBERS.has(name)),
  );
}

/** A message's content: text alone where it is nothing else. */
export function contentOf(parts: readonly JsonObject[]): unknown {
  const [first] = parts;
  return parts.length === 1 && first?.type === 'text' ? first.text : parts;
}

const CHAT_MEMBERS: ReadonlySet<string> = new Set([
  'audio',
  'best_of',
  'function_call',
  'functions',
  'guided_json',
  'logprobs',
  'max_completion_tokens',
  'max_tokens',
  'messages',
  'modalities',
  'n',
  'parallel_tool_calls',
  'prediction',
  'prompt_logprobs',
  'reasoning_effort',
  'response_format',
  'stop',
  'stream_options',
  'tool_choice',
  'tools',
  'top_logprobs',
  'verbosity',
  'web_search_options',
]);
