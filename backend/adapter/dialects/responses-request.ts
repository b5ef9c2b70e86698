// Reads a request of OpenAI's Responses API and says it as a chat completion.

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

/** Members that are read here, or have no meaning where nothing is retained; the rest passes to the engine. */
const KNOWN: ReadonlySet<string> = new Set([
  'background',
  'context_management',
  'conversation',
  'include',
  'input',
  'instructions',
  'max_output_tokens',
  'max_tool_calls',
  'model',
  'parallel_tool_calls',
  'previous_response_id',
  'prompt',
  'reasoning',
  'store',
  'stream',
  'stream_options',
  'temperature',
  'text',
  'tool_choice',
  'tools',
  'top_logprobs',
  'top_p',
  'truncation',
]);
/** Members that would need an earlier answer, a later one, or something stored. */
const RETAINING = ['previous_response_id', 'conversation', 'prompt'];
const FLAGS_RETAINING = ['store', 'background'];
const LOGPROBS = 'message.output_text.logprobs';

/**
 * The chat completion that a Responses request asks for.
 * @throws Refusal `nothing_retained`, `feature_not_offered`, `invalid_request`, each naming the member.
 */
export function readResponsesRequest(body: JsonObject): JsonObject {
  for (const name of RETAINING) if (body[name] !== undefined && body[name] !== null) throw retains(name);
  for (const name of FLAGS_RETAINING) if (body[name] === true) throw retains(name);
  if (body.truncation === 'auto')
    throw notOffered('truncation', 'to leave out parts of a conversation by itself');
  const instructions = body.instructions ?? undefined;
  const include = listAt(body.include, 'include');
  const wantsLogprobs = include.includes(LOGPROBS) || Number(body.top_logprobs ?? 0) > 0;
  const tools = listAt(body.tools, 'tools').map(readTool);
  const stream = body.stream === true;
  return {
    ...unknownMembers(body, KNOWN),
    ...present({
      model: body.model,
      messages: [
        ...(instructions === undefined
          ? []
          : [{ role: 'system', content: textAt(instructions, 'instructions') }]),
        ...readInput(body.input),
      ],
      max_tokens: body.max_output_tokens,
      temperature: body.temperature,
      top_p: body.top_p,
      ...(wantsLogprobs && { logprobs: true, top_logprobs: body.top_logprobs }),
      ...(tools.length > 0 && {
        tools,
        tool_choice: readToolChoice(body.tool_choice),
        parallel_tool_calls: body.parallel_tool_calls,
      }),
      response_format: readFormat(asObject(body.text)?.format),
      reasoning_effort: asObject(body.reasoning)?.effort,
      ...(stream && { stream, stream_options: { include_usage: true } }),
    }),
  };
}

function retains(param: string): Refusal {
  return new Refusal('nothing_retained', {
    message: `${param} needs an answer that is retained, and none is. Send the whole conversation. Nothing was started.`,
    param,
  });
}

function readInput(input: unknown): JsonObject[] {
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  const messages: JsonObject[] = [];
  for (const [index, value] of listAt(input, 'input').entries()) {
    const at = `input[${index}]`;
    const item = objectAt(value, at);
    switch (item.type ?? 'message') {
      case 'message':
        messages.push(readMessage(item, at));
        break;
      case 'function_call':
        addCall(messages, item, at);
        break;
      case 'function_call_output':
        messages.push({
          role: 'tool',
          tool_call_id: textAt(item.call_id, `${at}.call_id`),
          content: readContent(item.output, `${at}.output`),
        });
        break;
      case 'reasoning':
        // What a model thought before is no part of a chat; its makers advise to leave it out, too.
        break;
      case 'item_reference':
        throw retains(`${at}.id`);
      default:
        throw notOffered(`${at}.type`, 'items of that type');
    }
  }
  if (messages.length === 0) throw invalid('input', 'a string or a list with at least one message');
  return messages;
}

function readMessage(item: JsonObject, at: string): JsonObject {
  const { role } = item;
  if (role !== 'user' && role !== 'assistant' && role !== 'system' && role !== 'developer')
    throw invalid(`${at}.role`, 'user, assistant, system or developer');
  return {
    role: role === 'developer' ? 'system' : role,
    content: readContent(item.content, `${at}.content`),
  };
}

// Calls that were made together are one message, with the text before them.
function addCall(messages: JsonObject[], item: JsonObject, at: string): void {
  const call = {
    id: textAt(item.call_id, `${at}.call_id`),
    type: 'function',
    function: {
      name: textAt(item.name, `${at}.name`),
      arguments: textAt(item.arguments, `${at}.arguments`),
    },
  };
  const last = messages.at(-1);
  if (last?.role !== 'assistant') messages.push({ role: 'assistant', content: null, tool_calls: [call] });
  else
    messages[messages.length - 1] = {
      ...last,
      tool_calls: [...((last.tool_calls as unknown[] | undefined) ?? []), call],
    };
}

function readContent(content: unknown, at: string): unknown {
  if (typeof content === 'string') return content;
  return contentOf(
    listAt(content, at).map((value, index) =>
      readPart(objectAt(value, `${at}[${index}]`), `${at}[${index}]`),
    ),
  );
}

function readPart(part: JsonObject, at: string): JsonObject {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return { type: 'text', text: textAt(part.text, `${at}.text`) };
    case 'refusal':
      return { type: 'text', text: textAt(part.refusal, `${at}.refusal`) };
    case 'input_image':
      return {
        type: 'image_url',
        image_url: present({ url: textAt(part.image_url, `${at}.image_url`), detail: part.detail }),
      };
    case 'input_audio':
      return { type: 'input_audio', input_audio: part.input_audio };
    case 'input_file':
      return { type: 'file', file: present({ filename: part.filename, file_data: part.file_data }) };
    default:
      throw notOffered(`${at}.type`, 'parts of that type');
  }
}

function readTool(value: unknown, index: number): JsonObject {
  const at = `tools[${index}]`;
  const tool = objectAt(value, at);
  if (tool.type !== 'function')
    throw notOffered(`${at}.type`, 'tools other than functions: the engine has no network and no disk');
  const { name, description, parameters, strict } = tool;
  return { type: 'function', function: present({ name, description, parameters, strict }) };
}

function readToolChoice(choice: unknown): unknown {
  if (choice === undefined || choice === null || typeof choice === 'string') return choice;
  const { type, name } = objectAt(choice, 'tool_choice');
  if (type !== 'function') throw notOffered('tool_choice.type', 'that choice of tools');
  return { type: 'function', function: { name: textAt(name, 'tool_choice.name') } };
}

function readFormat(format: unknown): unknown {
  if (format === undefined || format === null) return undefined;
  const { type, name, description, schema, strict } = objectAt(format, 'text.format');
  switch (type) {
    case 'text':
      return undefined;
    case 'json_object':
      return { type: 'json_object' };
    case 'json_schema':
      return { type: 'json_schema', json_schema: present({ name, description, schema, strict }) };
    default:
      throw invalid('text.format.type', 'text, json_object or json_schema');
  }
}
