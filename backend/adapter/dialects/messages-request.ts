// Reads a request of Anthropic's Messages API and says it as a chat completion.

import { asObject, type JsonObject } from '../limits/read-json-body.ts';
import { Refusal } from '../refusal.ts';
import {
  contentOf,
  invalid,
  listAt,
  notOffered,
  objectAt,
  present,
  textAt,
  unknownMembers,
} from './parts.ts';

/** Members that are read here or have no meaning here; the rest passes to the engine, such as `top_k`. */
const KNOWN: ReadonlySet<string> = new Set([
  'betas',
  'cache_control',
  'container',
  'context_management',
  'diagnostics',
  'inference_geo',
  'max_tokens',
  'mcp_servers',
  'messages',
  'model',
  'output_config',
  'output_format',
  'speed',
  'stop_sequences',
  'stream',
  'system',
  'temperature',
  'thinking',
  'tool_choice',
  'tools',
  'top_p',
  'user_profile_id',
  'workspace_id',
]);

/**
 * The chat completion that a Messages request asks for.
 * @throws Refusal `feature_not_offered`, `nothing_retained`, `invalid_request`, each naming the member.
 */
export function readMessagesRequest(body: JsonObject): JsonObject {
  if (body.max_tokens === undefined || body.max_tokens === null) throw invalid('max_tokens', 'given');
  if (listAt(body.mcp_servers, 'mcp_servers').length > 0)
    throw notOffered('mcp_servers', 'servers of tools: the engine has no network');
  if (body.container !== undefined && body.container !== null)
    throw new Refusal('nothing_retained', { param: 'container' });
  const messages = listAt(body.messages, 'messages').flatMap((value, index) =>
    readMessage(objectAt(value, `messages[${index}]`), `messages[${index}]`),
  );
  if (messages.length === 0) throw invalid('messages', 'a list with at least one message');
  const tools = listAt(body.tools, 'tools').map(readTool);
  const format = asObject(body.output_config)?.format ?? body.output_format;
  const stream = body.stream === true;
  return {
    ...unknownMembers(body, KNOWN),
    ...present({
      model: body.model,
      messages: [...readSystem(body.system), ...messages],
      max_tokens: body.max_tokens,
      temperature: body.temperature,
      top_p: body.top_p,
      stop: body.stop_sequences,
      ...(tools.length > 0 && { tools, ...readToolChoice(body.tool_choice) }),
      response_format: readFormat(format),
      reasoning_effort: readEffort(asObject(body.output_config)?.effort),
      ...(stream && { stream, stream_options: { include_usage: true } }),
    }),
  };
}

/** Whether the caller wants to see what the model thought. */
export function wantsThinking(body: JsonObject): boolean {
  const type = asObject(body.thinking)?.type;
  return type === 'enabled' || type === 'adaptive';
}

function readSystem(system: unknown): JsonObject[] {
  if (system === undefined || system === null || system === '') return [];
  if (typeof system === 'string') return [{ role: 'system', content: system }];
  const parts = listAt(system, 'system').map((value, index) => {
    const { text } = objectAt(value, `system[${index}]`);
    return { type: 'text', text: textAt(text, `system[${index}].text`) };
  });
  return parts.length === 0 ? [] : [{ role: 'system', content: contentOf(parts) }];
}

function readMessage(message: JsonObject, at: string): JsonObject[] {
  const { role, content } = message;
  if (role !== 'user' && role !== 'assistant' && role !== 'system')
    throw invalid(`${at}.role`, 'user or assistant');
  if (typeof content === 'string') return [{ role, content }];
  const blocks = listAt(content, `${at}.content`).map((value, index): [JsonObject, string] => {
    const path = `${at}.content[${index}]`;
    return [objectAt(value, path), path];
  });
  return role === 'assistant' ? [readAssistant(blocks)] : readUser(role, blocks);
}

// A tool's result is a message of its own in a chat, and comes before what the user adds to it.
function readUser(role: string, blocks: readonly [JsonObject, string][]): JsonObject[] {
  const results: JsonObject[] = [];
  const parts: JsonObject[] = [];
  for (const [block, at] of blocks) {
    if (block.type !== 'tool_result') {
      parts.push(readPart(block, at));
      continue;
    }
    const inner = readResult(block.content, `${at}.content`);
    results.push({
      role: 'tool',
      tool_call_id: textAt(block.tool_use_id, `${at}.tool_use_id`),
      content: contentOf(inner.filter(({ type }) => type === 'text')),
    });
    // A chat's tool message is text; an image that a tool gave is shown by the user.
    parts.push(...inner.filter(({ type }) => type !== 'text'));
  }
  return parts.length === 0 ? results : [...results, { role, content: contentOf(parts) }];
}

function readResult(content: unknown, at: string): JsonObject[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  const parts = listAt(content, at).map((value, index) =>
    readPart(objectAt(value, `${at}[${index}]`), `${at}[${index}]`),
  );
  return parts.some(({ type }) => type === 'text') ? parts : [{ type: 'text', text: '' }, ...parts];
}

function readAssistant(blocks: readonly [JsonObject, string][]): JsonObject {
  const parts: JsonObject[] = [];
  const calls: JsonObject[] = [];
  for (const [block, at] of blocks)
    switch (block.type) {
      case 'tool_use':
        calls.push({
          id: textAt(block.id, `${at}.id`),
          type: 'function',
          function: { name: textAt(block.name, `${at}.name`), arguments: JSON.stringify(block.input ?? {}) },
        });
        break;
      case 'thinking':
      case 'redacted_thinking':
        // No part of a chat.
        break;
      default:
        parts.push(readPart(block, at));
    }
  return {
    role: 'assistant',
    content: parts.length === 0 ? (calls.length === 0 ? '' : null) : contentOf(parts),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

function readPart(block: JsonObject, at: string): JsonObject {
  switch (block.type) {
    case 'text':
      return { type: 'text', text: textAt(block.text, `${at}.text`) };
    case 'image': {
      const source = objectAt(block.source, `${at}.source`);
      if (source.type === 'url')
        return { type: 'image_url', image_url: { url: textAt(source.url, `${at}.source.url`) } };
      if (source.type !== 'base64') throw new Refusal('media_not_inline', { param: `${at}.source` });
      const media = textAt(source.media_type, `${at}.source.media_type`);
      const data = textAt(source.data, `${at}.source.data`);
      return { type: 'image_url', image_url: { url: `data:${media};base64,${data}` } };
    }
    case 'document': {
      const source = objectAt(block.source, `${at}.source`);
      if (source.type !== 'text') throw notOffered(`${at}.source.type`, 'documents other than text');
      return { type: 'text', text: textAt(source.data, `${at}.source.data`) };
    }
    default:
      throw notOffered(`${at}.type`, 'blocks of that type');
  }
}

function readTool(value: unknown, index: number): JsonObject {
  const at = `tools[${index}]`;
  const { type, name, description, input_schema: parameters, strict } = objectAt(value, at);
  if (type !== undefined && type !== null && type !== 'custom')
    throw notOffered(`${at}.type`, 'tools of its own: the engine has no network and no disk');
  return { type: 'function', function: present({ name, description, parameters, strict }) };
}

function readToolChoice(value: unknown): JsonObject {
  if (value === undefined || value === null) return {};
  const choice = objectAt(value, 'tool_choice');
  const parallel = choice.disable_parallel_tool_use === true ? { parallel_tool_calls: false } : {};
  switch (choice.type) {
    case 'auto':
      return { tool_choice: 'auto', ...parallel };
    case 'any':
      return { tool_choice: 'required', ...parallel };
    case 'none':
      return { tool_choice: 'none' };
    case 'tool': {
      const name = textAt(choice.name, 'tool_choice.name');
      return { tool_choice: { type: 'function', function: { name } }, ...parallel };
    }
    default:
      throw invalid('tool_choice.type', 'auto, any, tool or none');
  }
}

function readFormat(value: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  const { type, schema } = objectAt(value, 'output_config.format');
  if (type !== 'json_schema') throw invalid('output_config.format.type', 'json_schema');
  return { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } };
}

// Chat completions know three words.
function readEffort(value: unknown): unknown {
  return value === 'xhigh' || value === 'max' ? 'high' : value;
}
