// What the llama server takes, and each thing that it refuses before anything is queued.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../backend/engine/llama/api-error.ts';
import { readChatRequest } from '../../../backend/engine/llama/chat-request.ts';

const messages = [{ role: 'user', content: 'x' }];
const base = { model: 'm', messages };
const tool = (more: object) => ({ type: 'function', function: { name: 'f', ...more } });
const tools = [tool({ parameters: { type: 'object', properties: {} } })];
const withSchema = (schema: unknown) => ({
  ...base,
  response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
});

function refusalOf(body: unknown): ApiError {
  try {
    readChatRequest(body);
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('reading a chat request', () => {
  it('fills in what is absent or null', () => {
    const absent = readChatRequest(base);
    expect(absent).toEqual({
      model: 'm',
      messages: [{ role: 'user', text: 'x' }],
      stream: false,
      includeUsage: false,
      maxTokens: undefined,
      temperature: undefined,
      topP: undefined,
      seed: undefined,
      stop: [],
      choices: 1,
      minP: 0,
      topK: 0,
      presencePenalty: 0,
      frequencyPenalty: 0,
      logitBias: new Map(),
      format: { kind: 'text' },
      tools: { tools: [], choice: 'auto', parallel: true },
      logprobs: undefined,
    });
    const nulls = [
      'stream',
      'stream_options',
      'max_tokens',
      'temperature',
      'top_p',
      'seed',
      'stop',
      'n',
      'tools',
    ];
    const nulled = Object.fromEntries(nulls.map((name) => [name, null]));
    expect(readChatRequest({ ...base, ...nulled, response_format: null, logprobs: null })).toEqual(absent);
  });

  it('takes every value at its limits, and empty forms of what is not offered', () => {
    const edges = {
      temperature: 2,
      top_p: 1,
      seed: -5,
      presence_penalty: -2,
      frequency_penalty: 2,
      max_tokens: 1,
    };
    expect(readChatRequest({ ...base, ...edges, stop: ['a', 'b', 'c', 'd'], n: 1 })).toMatchObject({
      temperature: 2,
      seed: -5,
    });
    expect(
      readChatRequest({ ...base, tools: [], logit_bias: {}, logprobs: false, modalities: ['text'] }),
    ).toBeDefined();
  });

  it('joins text parts and knows the roles', () => {
    const content = [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ];
    const roles = ['developer', 'system', 'user', 'assistant'].map((role) => ({ role, content }));
    const read = readChatRequest({ ...base, messages: roles }).messages;
    expect(read.map(({ role }) => role)).toEqual(['system', 'system', 'user', 'assistant']);
    expect(new Set(read.map(({ text }) => text))).toEqual(new Set(['ab']));
  });

  it('translates a schema: notes dropped, anyOf as alternatives, references kept', () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'T',
      type: 'object',
      properties: {
        title: { type: 'string', format: 'date' },
        a: { anyOf: [{ $ref: '#/$defs/d' }, { type: 'null' }] },
      },
      required: ['a'],
      additionalProperties: false,
      $defs: { d: { type: 'array', items: { enum: [1, 2] }, maxItems: 2 } },
    };
    expect(readChatRequest(withSchema(schema)).format).toEqual({
      kind: 'json_schema',
      schema: {
        type: 'object',
        properties: {
          title: { type: 'string', format: 'date' },
          a: { oneOf: [{ $ref: '#/$defs/d' }, { type: 'null' }] },
        },
        required: ['a'],
        additionalProperties: false,
        $defs: { d: { type: 'array', items: { enum: [1, 2] }, maxItems: 2 } },
      },
    });
  });
});

describe('reading tools', () => {
  it('drops what no grammar follows unless the tool is strict, and keeps what the model reads', () => {
    const city = { type: 'string', description: 'where', pattern: '^[A-Z]' };
    const parameters = {
      $schema: 'x',
      properties: { city, when: { type: ['object', 'null'], minimum: 1 } },
      required: ['city'],
    };
    const read = readChatRequest({ ...base, tools: [tool({ description: 'd', parameters })] });
    expect(read.tools).toEqual({
      tools: [
        {
          name: 'f',
          description: 'd',
          parameters: {
            type: 'object',
            properties: {
              city: { type: 'string', description: 'where' },
              when: { oneOf: [{ type: 'object' }, { type: 'null' }] },
            },
            required: ['city'],
          },
        },
      ],
      choice: 'auto',
      parallel: true,
    });
  });

  it('offers the model none where the choice is none, and reads a name and results', () => {
    expect(readChatRequest({ ...base, tools, tool_choice: 'none' }).tools.tools).toEqual([]);
    const named = { type: 'function', function: { name: 'f' } };
    expect(readChatRequest({ ...base, tools, tool_choice: named }).tools.choice).toEqual({ name: 'f' });
    const call = { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } };
    const told = [
      ...messages,
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'a', content: 'sun' },
    ];
    expect(readChatRequest({ ...base, messages: told }).messages.slice(1)).toEqual([
      { role: 'assistant', text: '', calls: [{ id: 'a', name: 'f', arguments: '{}' }] },
      { role: 'tool', text: 'sun', callId: 'a' },
    ]);
  });
});

describe('refusing a chat request', () => {
  const schemaParam = 'response_format.json_schema.schema';
  const image = [{ type: 'image_url', image_url: { url: 'data:,' } }];
  const deep = Array.from({ length: 40 }).reduce<object>((items) => ({ type: 'array', items }), {
    type: 'null',
  });
  it.each<[string, unknown, string, string | undefined]>([
    ['no object', [], 'invalid_value', undefined],
    ['no model', { messages }, 'invalid_value', 'model'],
    ['no messages', { model: 'm' }, 'invalid_value', 'messages'],
    ['an empty list', { ...base, messages: [] }, 'invalid_value', 'messages'],
    ['too many messages', { ...base, messages: Array(2049).fill(messages[0]) }, 'invalid_value', 'messages'],
    [
      'an unknown role',
      { ...base, messages: [{ role: 'narrator', content: 'x' }] },
      'invalid_value',
      'messages[0].role',
    ],
    [
      'a role of Object',
      { ...base, messages: [{ role: 'constructor', content: 'x' }] },
      'invalid_value',
      'messages[0].role',
    ],
    ['a message that is none', { ...base, messages: ['x'] }, 'invalid_value', 'messages[0].role'],
    ['no content', { ...base, messages: [{ role: 'user' }] }, 'invalid_value', 'messages[0].content'],
    [
      'an image',
      { ...base, messages: [{ role: 'user', content: image }] },
      'unsupported_content',
      'messages[0].content[0]',
    ],
    [
      'a call that is none',
      { ...base, messages: [{ role: 'assistant', content: '', tool_calls: [{}] }] },
      'invalid_value',
      'messages[0].tool_calls[0]',
    ],
    [
      'a result of no call',
      { ...base, messages: [...messages, { role: 'tool', content: 'x', tool_call_id: 'a' }] },
      'invalid_value',
      'messages[1].tool_call_id',
    ],
    ['n over 8', { ...base, n: 9 }, 'invalid_value', 'n'],
    ['no choice', { ...base, n: 0 }, 'invalid_value', 'n'],
    ['logprobs as a number', { ...base, logprobs: 1 }, 'invalid_value', 'logprobs'],
    ['too many logprobs', { ...base, logprobs: true, top_logprobs: 21 }, 'invalid_value', 'top_logprobs'],
    ['top logprobs alone', { ...base, top_logprobs: 2 }, 'invalid_value', 'logprobs'],
    ['logprobs with tools', { ...base, tools, logprobs: true }, 'unsupported_parameter', 'logprobs'],
    [
      'JSON mode with tools',
      { ...base, tools, response_format: { type: 'json_object' } },
      'unsupported_parameter',
      'response_format',
    ],
    ['a tool of another type', { ...base, tools: [{}] }, 'unsupported_parameter', 'tools[0].type'],
    ['tools of one name', { ...base, tools: [...tools, ...tools] }, 'invalid_value', 'tools'],
    [
      'a strict tool that no grammar follows',
      { ...base, tools: [tool({ strict: true, parameters: { type: 'object', not: {} } })] },
      'invalid_value',
      'tools[0].function.parameters',
    ],
    [
      'a choice that is not among the tools',
      { ...base, tools, tool_choice: { type: 'function', function: { name: 'other' } } },
      'invalid_value',
      'tool_choice',
    ],
    ['a required tool where none is', { ...base, tool_choice: 'required' }, 'invalid_value', 'tool_choice'],
    ['a bias of a word', { ...base, logit_bias: { hello: 5 } }, 'invalid_value', 'logit_bias'],
    ['a bias over 100', { ...base, logit_bias: { '1': 101 } }, 'invalid_value', 'logit_bias'],
    ['a min_p over 1', { ...base, min_p: 1.1 }, 'invalid_value', 'min_p'],
    ['functions of old', { ...base, functions: [{ name: 'f' }] }, 'unsupported_parameter', 'functions'],
    ['audio', { ...base, modalities: ['text', 'audio'] }, 'unsupported_parameter', 'modalities'],
    ['stream as text', { ...base, stream: 'yes' }, 'invalid_value', 'stream'],
    ['stream options as text', { ...base, stream_options: 'x' }, 'invalid_value', 'stream_options'],
    ['no tokens', { ...base, max_tokens: 0 }, 'invalid_value', 'max_tokens'],
    ['part of a token', { ...base, max_completion_tokens: 1.5 }, 'invalid_value', 'max_completion_tokens'],
    ['a hot temperature', { ...base, temperature: 2.1 }, 'invalid_value', 'temperature'],
    ['a temperature as text', { ...base, temperature: '1' }, 'invalid_value', 'temperature'],
    ['no probability', { ...base, top_p: 0 }, 'invalid_value', 'top_p'],
    ['a seed with a fraction', { ...base, seed: 0.5 }, 'invalid_value', 'seed'],
    ['a presence penalty over 2', { ...base, presence_penalty: 3 }, 'invalid_value', 'presence_penalty'],
    [
      'a frequency penalty under -2',
      { ...base, frequency_penalty: -3 },
      'invalid_value',
      'frequency_penalty',
    ],
    ['17 stops', { ...base, stop: Array(17).fill('a') }, 'invalid_value', 'stop'],
    ['an empty stop', { ...base, stop: '' }, 'invalid_value', 'stop'],
    ['an unknown format', { ...base, response_format: { type: 'xml' } }, 'invalid_value', 'response_format'],
    ['no schema', { ...base, response_format: { type: 'json_schema' } }, 'invalid_value', schemaParam],
    ['a schema too deep', withSchema(deep), 'invalid_value', schemaParam],
    [
      'a keyword that no grammar follows',
      withSchema({ type: 'string', pattern: 'a' }),
      'invalid_value',
      schemaParam,
    ],
    ['a reference to nothing', withSchema({ $ref: '#/$defs/x' }), 'invalid_value', schemaParam],
    ['a reference elsewhere', withSchema({ $ref: 'https://x/' }), 'invalid_value', schemaParam],
    ['several types with object', withSchema({ type: ['object', 'null'] }), 'invalid_value', schemaParam],
    [
      'properties that are none',
      withSchema({ type: 'object', properties: [] }),
      'invalid_value',
      schemaParam,
    ],
    ['no alternatives', withSchema({ anyOf: [] }), 'invalid_value', schemaParam],
  ])('%s', (_name, body, code, param) => {
    const error = refusalOf(body);
    expect([error.code, error.param, error.status]).toEqual([code, param, 400]);
    expect(error.body().error.type).toBe('invalid_request_error');
  });

  it('never fails in any other way, and never quotes content', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 4 }),
        fc.constantFrom('messages', 'stop', 'response_format', 'n', 'tools'),
        (value, name) => {
          try {
            readChatRequest({ ...base, [name]: value });
          } catch (error) {
            expect(error).toBeInstanceOf(ApiError);
          }
        },
      ),
    );
    expect(refusalOf({ ...base, messages: [{ role: 'SECRET', content: 'x' }] }).message).not.toContain(
      'SECRET',
    );
  });
});
