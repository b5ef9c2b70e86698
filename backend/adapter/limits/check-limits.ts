// Checks a request's members against the limits, each under the name that its route gives it.

import { Refusal } from '../refusal.ts';
import { checkMedia } from './check-media.ts';
import { asObject, type JsonObject } from './read-json-body.ts';
import { REQUEST_LIMIT } from './request-limits.ts';

/** The requests that have limits of their own. */
export type LimitedApi = 'chat' | 'completions' | 'embeddings' | 'responses' | 'messages';

interface Rules {
  /** Numbers: the member and its largest value. */
  readonly numbers: Readonly<Record<string, number>>;
  /** Lists, or a single item that stands for a list of one: the member and its most items. */
  readonly lists: Readonly<Record<string, number>>;
  /** The JSON schemas of a request, each with its path. */
  readonly schemas: (body: JsonObject) => Iterable<readonly [string, unknown]>;
  /** The member that holds messages with content parts. */
  readonly conversation?: string;
}

const { outputTokens, choices, bestOf, messages, prompts, embeddingInputs, tools, stops, logprobs } =
  REQUEST_LIMIT;
const NO_SCHEMAS = () => [];

const RULES: Readonly<Record<LimitedApi, Rules>> = {
  chat: {
    numbers: {
      max_tokens: outputTokens,
      max_completion_tokens: outputTokens,
      n: choices,
      best_of: bestOf,
      top_logprobs: logprobs,
      prompt_logprobs: logprobs,
    },
    lists: { messages, tools, functions: tools, stop: stops },
    *schemas(body) {
      yield* schemasOf(body, 'tools', ['function', 'parameters']);
      yield* schemasOf(body, 'functions', ['parameters']);
      yield ['response_format.json_schema.schema', dig(body, 'response_format', 'json_schema', 'schema')];
      yield ['guided_json', body.guided_json];
    },
    conversation: 'messages',
  },
  completions: {
    numbers: {
      max_tokens: outputTokens,
      n: choices,
      best_of: bestOf,
      logprobs,
      prompt_logprobs: logprobs,
    },
    lists: { stop: stops },
    *schemas(body) {
      yield ['response_format.json_schema.schema', dig(body, 'response_format', 'json_schema', 'schema')];
      yield ['guided_json', body.guided_json];
    },
  },
  embeddings: { numbers: {}, lists: {}, schemas: NO_SCHEMAS, conversation: 'messages' },
  responses: {
    numbers: { max_output_tokens: outputTokens, top_logprobs: logprobs },
    lists: { input: messages, tools },
    *schemas(body) {
      yield* schemasOf(body, 'tools', ['parameters']);
      yield ['text.format.schema', dig(body, 'text', 'format', 'schema')];
    },
    conversation: 'input',
  },
  messages: {
    numbers: { max_tokens: outputTokens },
    lists: { messages, tools, stop_sequences: stops },
    *schemas(body) {
      yield* schemasOf(body, 'tools', ['input_schema']);
      yield ['output_config.format.schema', dig(body, 'output_config', 'format', 'schema')];
    },
    conversation: 'messages',
  },
};

/**
 * Looks at what has a limit and at nothing else: whether the rest is right is the engine's to say.
 * @throws Refusal `limit_exceeded`, `media_not_inline`; `invalid_request` for a number with a limit that is no number. All name the member.
 */
export function checkLimits(api: LimitedApi, body: JsonObject): void {
  const { numbers, lists, schemas, conversation } = RULES[api];
  for (const [name, most] of Object.entries(numbers)) checkNumber(name, body[name], most);
  for (const [name, most] of Object.entries(lists)) checkCount(name, body[name], most);
  // A prompt may also be one list of token numbers, which is one item.
  if (api === 'completions') checkTexts('prompt', body.prompt, prompts);
  if (api === 'embeddings') checkTexts('input', body.input, embeddingInputs);
  for (const [path, schema] of schemas(body)) checkSchema(path, schema);
  if (conversation !== undefined) checkMedia(conversation, body[conversation]);
}

function checkNumber(name: string, value: unknown, most: number): void {
  // `logprobs` of chat is a flag, and null stands for absent.
  if (value === undefined || value === null || typeof value === 'boolean') return;
  if (typeof value !== 'number' || Number.isNaN(value))
    // A lenient engine would read a number out of text, past the limit.
    throw new Refusal('invalid_request', { message: `${name} must be a number.`, param: name });
  if (value > most) throw exceeded(name, most);
}

function checkCount(name: string, value: unknown, most: number): void {
  if (Array.isArray(value) && value.length > most) throw exceeded(name, most, 'items');
}

function checkTexts(name: string, value: unknown, most: number): void {
  if (Array.isArray(value) && typeof value[0] !== 'number') checkCount(name, value, most);
}

function checkSchema(path: string, schema: unknown): void {
  if (typeof schema !== 'object' || schema === null) return;
  const { schemaBytes, schemaDepth } = REQUEST_LIMIT;
  if (depthOf(schema) > schemaDepth)
    throw exceeded(path, schemaDepth, 'objects and arrays inside one another');
  if (new TextEncoder().encode(JSON.stringify(schema)).length > schemaBytes)
    throw exceeded(path, schemaBytes, 'octets');
}

// The body's own depth is limited before this, so the recursion is, too.
function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let deepest = 0;
  for (const member of Object.values(value)) deepest = Math.max(deepest, depthOf(member));
  return deepest + 1;
}

function* schemasOf(
  body: JsonObject,
  list: string,
  path: readonly string[],
): Generator<readonly [string, unknown]> {
  const items: unknown = body[list];
  if (!Array.isArray(items)) return;
  for (const [index, item] of items.entries())
    yield [`${list}[${index}].${path.join('.')}`, dig(item, ...path)];
}

function dig(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce((inner, name) => asObject(inner)?.[name], value);
}

function exceeded(param: string, most: number, unit = ''): Refusal {
  return new Refusal('limit_exceeded', {
    message: `The limit of ${param} is ${most}${unit === '' ? '' : ` ${unit}`}. Nothing was started.`,
    param,
  });
}
