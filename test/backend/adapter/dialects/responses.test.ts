// The Responses API over a scripted engine that speaks chat completions.

import { describe, expect, test } from 'vitest';
import { EngineError } from '../../../../backend/engine/engine-error.ts';
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

const PATH = '/v1/responses';
const ask = (more: object = {}) => translate(PATH, { model: 'tiny', input: 'Hello', ...more });

describe('a request', () => {
  test('in text becomes one user message, with instructions before it', () => {
    const chat = asked(
      ask({ instructions: 'Be brief.', max_output_tokens: 9, temperature: 0.5, top_p: 0.9 }),
    );
    expect(chat).toEqual({
      model: 'tiny',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hello' },
      ],
      max_tokens: 9,
      temperature: 0.5,
      top_p: 0.9,
    });
  });

  test('of items becomes a chat: parts, calls made together, results, and no old reasoning', () => {
    const image = 'data:image/png;base64,AAAA';
    const input = [
      { role: 'developer', content: 'Rules' },
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_text', text: 'Look' },
          { type: 'input_image', image_url: image, detail: 'low' },
        ],
      },
      { type: 'reasoning', id: 'rs_1', summary: [] },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'I ask' }] },
      { type: 'function_call', call_id: 'a', name: 'f', arguments: '{"x":1}' },
      { type: 'function_call', call_id: 'b', name: 'g', arguments: '{}' },
      { type: 'function_call_output', call_id: 'a', output: 'one' },
      { type: 'function_call_output', call_id: 'b', output: [{ type: 'input_text', text: 'two' }] },
    ];
    const call = (id: string, name: string, args: string) => ({
      id,
      type: 'function',
      function: { name, arguments: args },
    });
    expect(asked(ask({ input })).messages).toEqual([
      { role: 'system', content: 'Rules' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Look' },
          { type: 'image_url', image_url: { url: image, detail: 'low' } },
        ],
      },
      { role: 'assistant', content: 'I ask', tool_calls: [call('a', 'f', '{"x":1}'), call('b', 'g', '{}')] },
      { role: 'tool', tool_call_id: 'a', content: 'one' },
      { role: 'tool', tool_call_id: 'b', content: 'two' },
    ]);
  });

  test('with tools, a choice, a schema and effort says them in chat’s words', () => {
    const parameters = { type: 'object', properties: { city: { type: 'string' } } };
    const chat = asked(
      ask({
        tools: [{ type: 'function', name: 'weather', description: 'd', parameters, strict: true }],
        tool_choice: { type: 'function', name: 'weather' },
        parallel_tool_calls: false,
        text: { format: { type: 'json_schema', name: 'n', schema: parameters, strict: true } },
        reasoning: { effort: 'low' },
        include: ['message.output_text.logprobs', 'reasoning.encrypted_content'],
        top_logprobs: 2,
        stream: true,
      }),
    );
    expect(chat).toMatchObject({
      tools: [
        { type: 'function', function: { name: 'weather', description: 'd', parameters, strict: true } },
      ],
      tool_choice: { type: 'function', function: { name: 'weather' } },
      parallel_tool_calls: false,
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: parameters, strict: true } },
      reasoning_effort: 'low',
      logprobs: true,
      top_logprobs: 2,
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test('passes members on that it does not know, numbers as they were written, and none of chat’s own', () => {
    const body =
      '{"model":"tiny","input":"x","top_k":5,"odd":[1e400,12345678901234567890],"n":7,"messages":[]}';
    const text = new TextDecoder().decode(translate(PATH, body).request.body);
    expect(text).toContain('"odd":[1e400,12345678901234567890]');
    expect(JSON.parse(text.replace('1e400', '0'))).toMatchObject({
      top_k: 5,
      messages: [{ role: 'user', content: 'x' }],
    });
    expect(text).not.toContain('"n":7');
  });

  test.each([
    [{ store: true }, 'nothing_retained', 'store'],
    [{ background: true }, 'nothing_retained', 'background'],
    [{ previous_response_id: 'resp_1' }, 'nothing_retained', 'previous_response_id'],
    [{ conversation: 'conv_1' }, 'nothing_retained', 'conversation'],
    [{ prompt: { id: 'pmpt_1' } }, 'nothing_retained', 'prompt'],
    [{ input: [{ type: 'item_reference', id: 'msg_1' }] }, 'nothing_retained', 'input[0].id'],
    [{ tools: [{ type: 'web_search' }] }, 'feature_not_offered', 'tools[0].type'],
    [{ tools: [{ type: 'mcp', server_url: 'https://x' }] }, 'feature_not_offered', 'tools[0].type'],
    [{ truncation: 'auto' }, 'feature_not_offered', 'truncation'],
    [{ input: [{ type: 'computer_call' }] }, 'feature_not_offered', 'input[0].type'],
    [{ input: [] }, 'invalid_request', 'input'],
    [{ input: [{ role: 'ghost', content: 'x' }] }, 'invalid_request', 'input[0].role'],
    [{ text: { format: { type: 'xml' } } }, 'invalid_request', 'text.format.type'],
    [
      { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'https://x/y.png' }] }] },
      'media_not_inline',
      'input[0].content[0].image_url',
    ],
    [
      { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file-1' }] }] },
      'media_not_inline',
      'input[0].content[0].file_id',
    ],
  ])('with %j is refused: %s, %s', (more, code, param) => {
    expect(refusalOf(() => ask(more))).toEqual({ code, param });
  });

  test.each([
    [{ store: false }],
    [{ background: false }],
    [{ previous_response_id: null }],
    [{ store: null }],
  ])('with %j is none that needs retaining', (more) => {
    expect(refusalOf(() => ask(more))).toBeUndefined();
  });
});

describe('a whole answer', () => {
  test('is a response with reasoning, a message and calls, and usage', async () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } };
    const message = { content: 'Hi', reasoning_content: 'Hmm', tool_calls: [call] };
    const request = { instructions: 'Be', metadata: { a: 'b' }, temperature: 0.5 };
    const response = await readJson(await ask(request).answer(completion(message, 'tool_calls')));
    expect(response).toMatchObject({
      object: 'response',
      status: 'completed',
      created_at: Date.parse('2026-11-23T12:00:00Z') / 1000,
      error: null,
      incomplete_details: null,
      instructions: 'Be',
      metadata: { a: 'b' },
      model: 'tiny',
      store: false,
      temperature: 0.5,
      output: [
        { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'Hmm' }] },
        {
          type: 'message',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'Hi', annotations: [] }],
        },
        { type: 'function_call', call_id: 'call_1', name: 'f', arguments: '{"a":1}', status: 'completed' },
      ],
      usage: {
        input_tokens: 11,
        input_tokens_details: { cached_tokens: 4 },
        output_tokens: 7,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 18,
      },
    });
    expect(response.id).toMatch(/^resp_[A-Za-z0-9]{24}$/);
  });

  test.each([
    ['length', 'max_output_tokens'],
    ['content_filter', 'content_filter'],
  ])('that ended for %s is incomplete', async (reason, told) => {
    const response = await readJson(await ask().answer(completion({ content: 'Hi' }, reason)));
    expect(response).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: told },
      output: [{ status: 'incomplete' }],
    });
  });

  test('with nothing in it still has a message', async () => {
    const response = await readJson(await ask().answer(completion({ content: '' })));
    expect(response.output).toMatchObject([{ type: 'message', content: [{ text: '' }] }]);
  });

  test('that is an error keeps the engine’s status and words', async () => {
    const error = {
      message: 'No such model.',
      type: 'invalid_request_error',
      param: 'model',
      code: 'model_not_found',
    };
    const response = await ask().answer(answer(JSON.stringify({ error }), 404));
    expect(response.status).toBe(404);
    expect(await readJson(response)).toEqual({ error });
  });

  test.each([['no JSON'], ['[]'], ['{"choices":[]}'], ['{"choices":[{"message":{},"finish_reason":"x"}]}']])(
    'that is no completion is the engine’s failure: %s',
    async (text) => {
      await expect(ask().answer(answer(text))).rejects.toMatchObject({ code: 'engine_answer_invalid' });
    },
  );
});

const DELTAS = [
  { reasoning_content: 'Hm' },
  { reasoning_content: 'm' },
  { content: 'Grü' },
  { content: 'ße 🌍' },
  { tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '' } }] },
  { tool_calls: [{ index: 0, function: { arguments: '{"a"' } }] },
  { tool_calls: [{ index: 0, function: { arguments: ':1}' } }] },
  { tool_calls: [{ index: 1, id: 'call_2', type: 'function', function: { name: 'g', arguments: '{}' } }] },
];

describe('a streamed answer', () => {
  const stream = (text: string) => ask({ stream: true }).answer(events([toUtf8(text)]));

  test('is the whole typed sequence', async () => {
    const { text, error } = await readStream(await stream(chunks(DELTAS, 'tool_calls')));
    expect(error).toBeUndefined();
    const read = parseEvents(text);
    expect(read.map(({ event }) => event)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.reasoning_text.delta',
      'response.reasoning_text.delta',
      'response.reasoning_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(read.map(({ data }) => data.sequence_number)).toEqual(read.map((_, index) => index));
    for (const { event, data } of read) expect(data.type).toBe(event);
    const of = (event: string) => read.filter((each) => each.event === event).map(({ data }) => data);
    expect(of('response.output_text.done')).toMatchObject([{ text: 'Grüße 🌍', output_index: 1 }]);
    expect(of('response.function_call_arguments.done')).toMatchObject([
      { name: 'f', arguments: '{"a":1}', output_index: 2 },
      { name: 'g', arguments: '{}', output_index: 3 },
    ]);
    const done = of('response.output_item.done').map(({ item }) => item);
    expect(of('response.completed')).toMatchObject([
      { response: { status: 'completed', output: done, usage: { input_tokens: 11, output_tokens: 7 } } },
    ]);
  });

  test('is the same when the engine’s stream is cut at every octet', async () => {
    const octets = toUtf8(chunks(DELTAS, 'tool_calls').replaceAll('\n\n', '\r\n\r\n'));
    const read = async (pieces: Uint8Array[]) =>
      (
        await readStream(
          await translate(PATH, { input: 'x', stream: true }, fixedOffer()).answer(events(pieces)),
        )
      ).text;
    const whole = await read([octets]);
    expect(whole).toContain('Grüße 🌍');
    expect(await read(Array.from(octets, (octet) => Uint8Array.of(octet)))).toBe(whole);
  });

  test('that is cut by its limit is incomplete', async () => {
    const { text } = await readStream(await stream(chunks([{ content: 'Hi' }], 'length')));
    expect(parseEvents(text).at(-1)).toMatchObject({
      event: 'response.incomplete',
      data: {
        response: {
          status: 'incomplete',
          incomplete_details: { reason: 'max_output_tokens' },
          output: [{ status: 'incomplete' }],
        },
      },
    });
  });

  test('whose engine dies ends in response.failed, with what there was', async () => {
    const translation = ask({ stream: true });
    const begun = chunks([{ content: 'Hi' }])
      .split('data: {"id":"chatcmpl-1"')
      .slice(0, 3)
      .join('data: {"id":"chatcmpl-1"');
    const died = new EngineError('engine_crashed', 'x');
    const { text, error } = await readStream(await translation.answer(events([toUtf8(begun)], died)));
    expect(error).toBe(died);
    const failure = parseEvents(text + translation.failureEvent('engine_crashed'));
    expect(failure.at(-1)).toMatchObject({
      event: 'response.failed',
      data: {
        sequence_number: failure.length - 1,
        response: { status: 'failed', error: { code: 'server_error' }, output: [{ status: 'incomplete' }] },
      },
    });
  });

  test.each([
    ['an error event', 'data: {"error":{"message":"x"}}\n\n', 'engine_crashed'],
    [
      'no end',
      chunks([{ content: 'Hi' }])
        .split('data: {"id":"chatcmpl-1"')
        .slice(0, 3)
        .join('data: {"id":"chatcmpl-1"'),
      'engine_answer_invalid',
    ],
    ['nothing', '', 'engine_answer_invalid'],
    ['no JSON', 'data: x\n\n', 'engine_answer_invalid'],
    ['an endless event', `data: ${'x'.repeat(2_000_000)}`, 'engine_answer_invalid'],
    [
      'a call that had ended',
      chunks([...DELTAS, { tool_calls: [{ index: 0, function: { arguments: 'x' } }] }]),
      'engine_answer_invalid',
    ],
  ])('with %s fails', async (_, text, code) => {
    const { error } = await readStream(await stream(text));
    expect(error).toMatchObject({ code });
  });

  test('that is nonsense stops an engine that would go on', async () => {
    let stopped = 0;
    const endless = Array.from({ length: 100 }, () => toUtf8('data: x\n\n'));
    const response = events(endless, undefined, () => stopped++);
    await readStream(await ask({ stream: true }).answer(response));
    expect(stopped).toBe(1);
  });

  test('reads no further than it is read, and stops the engine when nobody reads', async () => {
    let pulled = 0;
    let cancelled = false;
    const piece = toUtf8(
      `data: ${JSON.stringify({ model: 't', choices: [{ index: 0, delta: { content: 'x' } }] })}\n\n`,
    );
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull(controller) {
          pulled++;
          controller.enqueue(new Uint8Array(piece));
        },
        cancel() {
          cancelled = true;
        },
      },
      { highWaterMark: 0 },
    );
    const response = await ask({ stream: true }).answer({
      status: 200,
      headers: { 'content-type': 'text/event-stream' },
      body,
    });
    const reader = response.body.getReader();
    await reader.read();
    await reader.read();
    expect(pulled).toBe(2);
    await reader.cancel();
    expect(cancelled).toBe(true);
  });
});
