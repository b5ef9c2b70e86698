// Reads the body of a chat completion: every limit is checked here, before anything is queued.

import { ApiError } from './api-error.ts';
import { type JsonObject, toGrammarSchema } from './grammar-schema.ts';
import { asBody, asObject, flag, invalid, isEmpty, readModel, whole } from './request-values.ts';
import { MAX_LOGPROBS, readSampling, type SamplingRequest } from './sampling-request.ts';
import { readTools, type ToolRequest } from './tool-request.ts';

/** A call that the model made in an earlier turn. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** As the model wrote them: JSON, or whatever else it was. */
  readonly arguments: string;
}

/** One message with its text parts joined. */
export type ChatMessage =
  | { readonly role: 'system' | 'user'; readonly text: string }
  | { readonly role: 'assistant'; readonly text: string; readonly calls: readonly ToolCall[] }
  /** What a call gave. */
  | { readonly role: 'tool'; readonly text: string; readonly callId: string };

/** What the answer must look like; `schema` is what the grammar builder takes. */
export type AnswerFormat =
  | { readonly kind: 'text' }
  | { readonly kind: 'json_object' }
  | { readonly kind: 'json_schema'; readonly schema: JsonObject };

/** A checked chat completion request. */
export interface ChatRequest extends SamplingRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly format: AnswerFormat;
  readonly tools: ToolRequest;
  /** Alternatives to report for each token, 0 to 20; undefined: nothing about tokens is reported. */
  readonly logprobs: number | undefined;
}

export const MAX_MESSAGES = 2048;

const ROLES: Readonly<Record<string, ChatMessage['role']>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool',
};

// Members whose being ignored would change what the answer means. Everything else that is unknown is ignored.
const NOT_OFFERED = ['functions', 'modalities', 'audio', 'prediction'] as const;

/**
 * Checks the parsed JSON of a chat completion request.
 * @throws ApiError with the member's name as `param`.
 */
export function readChatRequest(json: unknown): ChatRequest {
  const body = asBody(json);
  refuseNotOffered(body);
  const request = {
    model: readModel(body),
    messages: readMessages(body.messages),
    ...readSampling(body),
    format: readFormat(body.response_format),
    tools: readTools(body),
    logprobs: readLogprobs(body),
  };
  refuseTogether(request);
  return request;
}

function refuseNotOffered(body: JsonObject): void {
  for (const name of NOT_OFFERED) {
    const value = body[name];
    if (isEmpty(value)) continue;
    if (name === 'modalities' && Array.isArray(value) && value.every((modality) => modality === 'text'))
      continue;
    throw new ApiError('unsupported_parameter', `This engine does not offer ${name}.`, name);
  }
}

// One grammar at a time decides what may come next, and only answers without one are measured token by token.
function refuseTogether({ tools, format, logprobs }: ChatRequest): void {
  if (tools.tools.length === 0) return;
  const refuse = (name: string) =>
    new ApiError('unsupported_parameter', `This engine does not offer ${name} together with tools.`, name);
  if (format.kind !== 'text') throw refuse('response_format');
  if (logprobs !== undefined) throw refuse('logprobs');
}

function readLogprobs(body: JsonObject): number | undefined {
  const top = whole(body.top_logprobs, 'top_logprobs', 0, MAX_LOGPROBS);
  if (flag(body.logprobs, 'logprobs')) return top ?? 0;
  if (top !== undefined && top > 0) throw invalid('logprobs', 'true where top_logprobs is given');
  return undefined;
}

function readMessages(value: unknown): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0)
    throw invalid('messages', 'a list with at least one message');
  if (value.length > MAX_MESSAGES) throw invalid('messages', `a list of at most ${MAX_MESSAGES} messages`);
  const messages = value.map(readMessage);
  refuseStrayResults(messages);
  return messages;
}

function readMessage(item: unknown, index: number): ChatMessage {
  const at = `messages[${index}]`;
  const message = asObject(item);
  const given = message?.role;
  const role = typeof given === 'string' && Object.hasOwn(ROLES, given) ? ROLES[given] : undefined;
  if (message === undefined || role === undefined)
    throw new ApiError(
      'invalid_value',
      'Roles are system, developer, user, assistant and tool.',
      `${at}.role`,
    );
  if (role === 'assistant') {
    const calls = readCalls(message.tool_calls, `${at}.tool_calls`);
    const silent = calls.length > 0 && (message.content ?? null) === null;
    return { role, text: silent ? '' : readContent(message.content, `${at}.content`), calls };
  }
  const text = readContent(message.content, `${at}.content`);
  if (role !== 'tool') return { role, text };
  const { tool_call_id: callId } = message;
  if (typeof callId !== 'string') throw invalid(`${at}.tool_call_id`, 'a string');
  return { role, text, callId };
}

function readCalls(value: unknown, param: string): ToolCall[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(param, 'a list');
  return value.map((item: unknown, index) => {
    const call = asObject(item);
    const called = asObject(call?.function);
    const { id } = call ?? {};
    const { name, arguments: text } = called ?? {};
    if (typeof id !== 'string' || typeof name !== 'string' || typeof text !== 'string')
      throw invalid(`${param}[${index}]`, 'a call with id, function.name and function.arguments');
    return { id, name, arguments: text };
  });
}

// A result belongs to a call of the assistant's message before it: elsewhere nobody could say what it is about.
function refuseStrayResults(messages: readonly ChatMessage[]): void {
  let open: readonly string[] = [];
  for (const [index, message] of messages.entries()) {
    if (message.role === 'assistant') open = message.calls.map(({ id }) => id);
    else if (message.role !== 'tool') open = [];
    else if (!open.includes(message.callId))
      throw invalid(
        `messages[${index}].tool_call_id`,
        'the id of a call in the assistant’s message before it',
      );
  }
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

function readFormat(value: unknown): AnswerFormat {
  if (value === undefined || value === null) return { kind: 'text' };
  const format = asObject(value);
  switch (format?.type) {
    case 'text':
      return { kind: 'text' };
    case 'json_object':
      return { kind: 'json_object' };
    case 'json_schema': {
      const param = 'response_format.json_schema.schema';
      const schema = asObject(asObject(format.json_schema)?.schema);
      if (schema === undefined) throw invalid(param, 'a JSON schema');
      return { kind: 'json_schema', schema: toGrammarSchema(schema, param) };
    }
    default:
      throw invalid('response_format', 'text, json_object or json_schema');
  }
}
