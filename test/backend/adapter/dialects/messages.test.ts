// Anthropic's Messages API over a scripted engine that speaks chat completions.

import { describe, expect, test } from 'vitest';
import { errorBody } from '../../../../backend/adapter/dialects/translate-request.ts';
import { toUtf8 } from '../../../../shared/bytes/utf8.ts';
import {
  answer,
  asked,
  chunks,
  completion,
  events,
  fixedOffer,
  parseEvents,
  readJson,
  readStream,
  refusalOf,
  translate,
} from './scripted-chat.ts';

const PATH = '/v1/messages?beta=true';
const HELLO = { model: 'tiny', max_tokens: 9, messages: [{ role: 'user', content: 'Hello' }] };
const ask = (more: object = {}) => translate(PATH, { ...HELLO, ...more });
const user = (...content: object[]) => ({ messages: [{ role: 'user', content }] });

describe('a request', () => {
  test('becomes a chat completion', () => {
    const chat = asked(
      ask({
        system: 'Be brief.',
        stop_sequences: ['END'],
        temperature: 0.5,
        top_p: 0.9,
        top_k: 4,
        stream: true,
      }),
    );
    expect(chat).toEqual({
      model: 'tiny',
      max_tokens: 9,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hello' },
      ],
      stop: ['END'],
      temperature: 0.5,
      top_p: 0.9,
      top_k: 4,
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test('of blocks becomes one: system, image, tool use and its result, and no old thinking', () => {
    const chat = asked(
      ask({
        system: [
          { type: 'text', text: 'a', cache_control: { type: 'ephemeral' } },
          { type: 'text', text: 'b' },
        ],
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'Look' },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
            ],
          },
          {
            role: 'assistant',
            content: [
              { type: 'thinking', thinking: 'x', signature: 'y' },
              { type: 'text', text: 'I ask' },
              { type: 'tool_use', id: 't1', name: 'f', input: { x: 1 } },
            ],
          },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 't1', content: [{ type: 'text', text: 'one' }] },
              { type: 'text', text: 'Go on' },
            ],
          },
        ],
      }),
    );
    const part = (text: string) => ({ type: 'text', text });
    expect(chat.messages).toEqual([
      { role: 'system', content: [part('a'), part('b')] },
      {
        role: 'user',
        content: [part('Look'), { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }],
      },
      {
        role: 'assistant',
        content: 'I ask',
        tool_calls: [{ id: 't1', type: 'function', function: { name: 'f', arguments: '{"x":1}' } }],
      },
      { role: 'tool', tool_call_id: 't1', content: 'one' },
      { role: 'user', content: 'Go on' },
    ]);
    expect(JSON.stringify(chat)).not.toContain('cache_control');
  });

  test.each([
    [{ type: 'auto' }, 'auto', undefined],
    [{ type: 'any', disable_parallel_tool_use: true }, 'required', false],
    [{ type: 'none' }, 'none', undefined],
    [{ type: 'tool', name: 'f' }, { type: 'function', function: { name: 'f' } }, undefined],
  ])('with tools and the choice %j', (choice, wanted, parallel) => {
    const schema = { type: 'object', properties: {} };
    const chat = asked(
      ask({ tools: [{ name: 'f', description: 'd', input_schema: schema }], tool_choice: choice }),
    );
    expect(chat.tools).toEqual([
      { type: 'function', function: { name: 'f', description: 'd', parameters: schema } },
    ]);
    expect(chat.tool_choice).toEqual(wanted);
    expect(chat.parallel_tool_calls).toBe(parallel);
  });

  test('withholds who asks', () => {
    expect(asked(ask({ metadata: { user_id: 'u' }, service_tier: 'auto' }))).toEqual(asked(ask()));
  });

  test('keeps the numbers of a tool’s input as they were written', () => {
    const text = `{"model":"t","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{"n":12345678901234567890}}]}]}`;
    expect(new TextDecoder().decode(translate(PATH, text).request.body)).toContain('12345678901234567890');
  });

  test.each([
    [{ max_tokens: undefined }, 'invalid_request', 'max_tokens'],
    [{ messages: [] }, 'invalid_request', 'messages'],
    [{ tools: [{ type: 'web_search_20250305', name: 'w' }] }, 'feature_not_offered', 'tools[0].type'],
    [{ mcp_servers: [{ url: 'https://x' }] }, 'feature_not_offered', 'mcp_servers'],
    [{ container: 'c' }, 'nothing_retained', 'container'],
    [
      user({ type: 'image', source: { type: 'url', url: 'https://x/y.png' } }),
      'media_not_inline',
      'messages[0].content[0].url',
    ],
    [
      user({ type: 'image', source: { type: 'file', file_id: 'f' } }),
      'media_not_inline',
      'messages[0].content[0].file_id',
    ],
    [
      user({
        type: 'tool_result',
        tool_use_id: 'a',
        content: [{ type: 'image', source: { type: 'url', url: 'http://x' } }],
      }),
      'media_not_inline',
      'messages[0].content[0].content[0].url',
    ],
    [user({ type: 'server_tool_use' }), 'feature_not_offered', 'messages[0].content[0].type'],
    [
      user({ type: 'document', source: { type: 'base64', data: 'AAAA', media_type: 'application/pdf' } }),
      'feature_not_offered',
      'messages[0].content[0].source.type',
    ],
    [
      { tool_choice: { type: 'x' }, tools: [{ name: 'f', input_schema: {} }] },
      'invalid_request',
      'tool_choice.type',
    ],
  ])('with %j is refused: %s, %s', (more, code, param) => {
    expect(refusalOf(() => ask(more))).toEqual({ code, param });
  });

  test('that is refused hears it in Anthropic’s shape', () => {
    expect(errorBody(PATH, 'limit_exceeded', { message: 'm', param: 'max_tokens' })).toEqual({
      type: 'error',
      error: { type: 'invalid_request_error', message: 'm', code: 'limit_exceeded', param: 'max_tokens' },
    });
    expect(errorBody('/v1/messages', 'engine_unavailable')).toMatchObject({
      error: { type: 'overloaded_error' },
    });
    expect(errorBody('/v1/responses', 'engine_unavailable')).not.toHaveProperty('type');
  });
});

const CALL = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } };

describe('a whole answer', () => {
  test('is a message with text and tool use, and usage apart from what was cached', async () => {
    const message = { content: 'Hi', reasoning_content: 'Hmm', tool_calls: [CALL] };
    const body = await readJson(await ask().answer(completion(message, 'tool_calls')));
    expect(body).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'tiny',
      content: [
        { type: 'text', text: 'Hi' },
        { type: 'tool_use', id: 'call_1', name: 'f', input: { a: 1 } },
      ],
      stop_reason: 'tool_use',
      stop_sequence: null,
      usage: { input_tokens: 7, cache_read_input_tokens: 4, output_tokens: 7 },
    });
    expect(body.id).toMatch(/^msg_[A-Za-z0-9]{24}$/);
  });

  test('shows what the model thought when that was asked for', async () => {
    const translation = ask({ thinking: { type: 'enabled', budget_tokens: 1024 } });
    const body = await readJson(await translation.answer(completion({ content: 'Hi', reasoning: 'Hmm' })));
    expect(body.content).toMatchObject([{ type: 'thinking', thinking: 'Hmm' }, { type: 'text' }]);
  });

  test.each([
    ['stop', {}, 'end_turn', null],
    ['stop', { stop_reason: 'END' }, 'stop_sequence', 'END'],
    ['length', {}, 'max_tokens', null],
    ['content_filter', {}, 'refusal', null],
  ])('that ended for %s %j', async (reason, choice, stop_reason, stop_sequence) => {
    const body = await readJson(await ask().answer(completion({ content: 'Hi' }, reason, choice)));
    expect(body).toMatchObject({ stop_reason, stop_sequence });
  });

  test('with a call whose arguments are no JSON fails, but for one that was cut', async () => {
    const broken = { content: null, tool_calls: [{ ...CALL, function: { name: 'f', arguments: '{"a"' } }] };
    await expect(ask().answer(completion(broken, 'tool_calls'))).rejects.toMatchObject({
      code: 'engine_answer_invalid',
    });
    const body = await readJson(await ask().answer(completion(broken, 'length')));
    expect(body).toMatchObject({ content: [{ input: {} }], stop_reason: 'max_tokens' });
  });

  test.each([
    [400, 'invalid_request_error'],
    [404, 'not_found_error'],
    [429, 'rate_limit_error'],
    [503, 'overloaded_error'],
    [500, 'api_error'],
  ])('that is an error of status %i is %s', async (status, type) => {
    const error = { message: 'm', type: 'x', param: null, code: 'c' };
    const response = await ask().answer(answer(JSON.stringify({ error }), status));
    expect(response.status).toBe(status);
    expect(await readJson(response)).toEqual({
      type: 'error',
      error: { type, message: 'm', code: 'c', param: null },
    });
  });
});

const DELTAS = [
  { reasoning: 'Hm' },
  { content: 'Grü' },
  { content: 'ße 🌍' },
  { tool_calls: [{ index: 0, id: 'call_1', function: { name: 'f', arguments: '{"a"' } }] },
  { tool_calls: [{ index: 0, function: { arguments: ':1}' } }] },
  { tool_calls: [{ index: 1, function: { name: 'g', arguments: '{}' } }] },
];

describe('a streamed answer', () => {
  const read = async (pieces: readonly Uint8Array[], more: object = {}) =>
    (
      await readStream(
        await translate(PATH, { ...HELLO, stream: true, ...more }, fixedOffer()).answer(events(pieces)),
      )
    ).text;

  test('is the whole sequence, block after block', async () => {
    const got = parseEvents(await read([toUtf8(chunks(DELTAS, 'tool_calls'))]));
    expect(got.map(({ event }) => event)).toEqual([
      'message_start',
      'ping',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    for (const { event, data } of got) expect(data.type).toBe(event);
    const indexes = got
      .filter(({ event }) => event.startsWith('content_block'))
      .map(({ data }) => data.index);
    expect(indexes).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2]);
    expect(got[6]?.data).toMatchObject({
      content_block: { type: 'tool_use', id: 'call_1', name: 'f', input: {} },
    });
    expect(got[7]?.data).toMatchObject({ delta: { type: 'input_json_delta', partial_json: '{"a"' } });
    expect(got[10]?.data).toMatchObject({
      content_block: { id: expect.stringMatching(/^toolu_/), name: 'g' },
    });
    expect(got.at(-2)?.data).toMatchObject({
      delta: { stop_reason: 'tool_use', stop_sequence: null },
      usage: { input_tokens: 11, output_tokens: 7 },
    });
  });

  test('shows thinking as a block of its own when that was asked for', async () => {
    const text = await read([toUtf8(chunks(DELTAS, 'tool_calls'))], { thinking: { type: 'adaptive' } });
    expect(parseEvents(text)[3]?.data).toMatchObject({ delta: { type: 'thinking_delta', thinking: 'Hm' } });
  });

  test('is the same when the engine’s stream is cut at every octet', async () => {
    const octets = toUtf8(chunks(DELTAS, 'tool_calls'));
    const whole = await read([octets]);
    expect(whole).toContain('ße 🌍');
    expect(await read(Array.from(octets, (octet) => Uint8Array.of(octet)))).toBe(whole);
  });

  test('whose engine fails ends in an error event of Anthropic’s', () => {
    expect(parseEvents(ask({ stream: true }).failureEvent('engine_crashed'))).toMatchObject([
      { event: 'error', data: { type: 'error', error: { type: 'api_error', code: 'engine_crashed' } } },
    ]);
  });
});
