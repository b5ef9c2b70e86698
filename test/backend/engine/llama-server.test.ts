// The engine contract, tried on a tiny model with random weights: what it says is nonsense, how it says it is not.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomModel } from '../../harness/random-model.ts';
import { post } from './contract/ask-engine.ts';
import { type RunningServer, runLlamaServer } from './run-llama-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'tiny-'));
const modelPath = join(folder, 'tiny.gguf');
let server: RunningServer;

const user = (content: unknown) => [{ role: 'user', content }];
const ask = (body: object, signal?: AbortSignal) =>
  server.chat({ model: 'tiny', messages: user('Hello'), temperature: 0, max_tokens: 8, ...body }, signal);
const LONG = { max_tokens: 1900, temperature: 1 };

interface Completion {
  readonly choices: readonly [
    { readonly message: { readonly content: string }; readonly finish_reason: string },
  ];
  readonly usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly total_tokens: number;
  };
}

async function complete(body: object): Promise<Completion> {
  const { status, text } = await ask(body);
  expect(status, text).toBe(200);
  return JSON.parse(text) as Completion;
}

beforeAll(async () => {
  writeRandomModel(modelPath);
  server = await runLlamaServer([
    ...['--model', modelPath, '--model-id', 'tiny', '--threads', '1'],
    ...['--sequences', '2', '--queue', '2', '--context', '2048'],
  ]);
}, 60_000);

afterAll(async () => {
  await server.stop();
  expect(await server.exited).toBe(0);
  expect(server.output()).toBe(0);
  rmSync(folder, { recursive: true });
});

describe('answers', () => {
  it('gives a whole completion in OpenAI’s shape', async () => {
    const { status, type, text } = await ask({});
    expect([status, type]).toEqual([200, 'application/json']);
    expect(JSON.parse(text)).toEqual({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{24}$/),
      object: 'chat.completion',
      created: expect.any(Number),
      model: 'tiny',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: expect.stringMatching(/./), refusal: null },
          logprobs: null,
          finish_reason: 'length',
        },
      ],
      usage: { prompt_tokens: expect.any(Number), completion_tokens: 8, total_tokens: expect.any(Number) },
    });
  });

  it('streams the same text: role first, then pieces, finish, usage, [DONE]', async () => {
    const whole = await complete({});
    const { type, text } = await ask({ stream: true, stream_options: { include_usage: true } });
    expect(type).toBe('text/event-stream; charset=utf-8');
    const events = text.trimEnd().split('\n\n');
    expect(events.pop()).toBe('data: [DONE]');
    const chunks = events.map((event) => JSON.parse(event.slice('data: '.length)));
    expect(chunks[0].choices[0]).toMatchObject({
      delta: { role: 'assistant', content: '' },
      finish_reason: null,
    });
    expect(chunks.at(-2).choices[0]).toMatchObject({ delta: {}, finish_reason: 'length' });
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage });
    expect(chunks.length).toBeGreaterThan(6);
    const streamed = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    expect(streamed).toBe(whole.choices[0].message.content);
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
  });

  it('sends no usage that was not asked for', async () => {
    expect((await ask({ stream: true })).text).not.toContain('"usage"');
  });

  it('stops at max_tokens and counts them; max_completion_tokens wins', async () => {
    const { choices, usage } = await complete({ max_tokens: 50, max_completion_tokens: 3 });
    expect(choices[0].finish_reason).toBe('length');
    expect(usage.completion_tokens).toBe(3);
    expect(usage.total_tokens).toBe(usage.prompt_tokens + 3);
  });

  it('fills the context and no more when no limit is given', async () => {
    const { choices, usage } = await complete({ max_tokens: null, messages: user('x'.repeat(1900)) });
    expect(choices[0].finish_reason).toBe('length');
    expect(usage.total_tokens).toBe(2046);
  });

  it('counts the prompt in full every time, and control words in it as plain text', async () => {
    const first = await complete({ messages: user('Hello') });
    const second = await complete({ messages: user('Hello') });
    expect(second.usage).toEqual(first.usage);
    // Each letter of the fixture's vocabulary is a token: were the marker read as one, this would be 1 more, not 10.
    const marked = await complete({ messages: user('Hello<|im_end|>') });
    expect(marked.usage.prompt_tokens).toBe(first.usage.prompt_tokens + '<|im_end|>'.length);
  });

  it('stops before a stop string, streaming too', async () => {
    const words = (await complete({ max_tokens: 30 })).choices[0].message.content.split(' ');
    const stop = ` ${words[4]}`;
    const cut = await complete({ max_tokens: 30, stop: ['never', stop] });
    expect(cut.choices[0].finish_reason).toBe('stop');
    expect(cut.choices[0].message.content).not.toContain(stop);
    expect((await ask({ max_tokens: 30, stop, stream: true })).text).toContain('"finish_reason":"stop"');
  });

  it('gives the same text for the same seed and another for another', async () => {
    const say = async (seed: number) =>
      (await complete({ temperature: 1, max_tokens: 24, seed })).choices[0].message.content;
    const [first, again, other, negative] = [await say(7), await say(7), await say(8), await say(-7)];
    expect(again).toBe(first);
    expect(other).not.toBe(first);
    expect(negative).not.toBe(first);
  });

  it('takes penalties of both signs', async () => {
    const plain = (await complete({ max_tokens: 40 })).choices[0].message.content;
    const repeating = { frequency_penalty: -2, presence_penalty: -2, max_tokens: 40 };
    const varied = { frequency_penalty: 2, presence_penalty: 2, max_tokens: 40 };
    const distinct = (text: string) => new Set(text.split(' ')).size;
    const most = distinct((await complete(varied)).choices[0].message.content);
    expect(distinct((await complete(repeating)).choices[0].message.content)).toBeLessThanOrEqual(most);
    expect(distinct(plain)).toBeLessThanOrEqual(most);
  });

  it('follows a JSON schema and the JSON mode', async () => {
    const schema = { type: 'object', properties: { sure: { type: 'boolean' } }, required: ['sure'] };
    const bySchema = {
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
      max_tokens: 200,
    };
    expect(JSON.parse((await complete(bySchema)).choices[0].message.content)).toEqual({
      sure: expect.any(Boolean),
    });
    const mode = await complete({ response_format: { type: 'json_object' }, max_tokens: 200 });
    expect(mode.choices[0].message.content.trimStart()).toMatch(/^\{/);
  });

  it('takes text parts, several roles, and ignores what it does not know', async () => {
    const parts = [
      { type: 'text', text: 'Hel' },
      { type: 'text', text: 'lo' },
    ];
    const plain = await complete({});
    expect((await complete({ messages: user(parts), user: 'someone', metadata: {}, x: 1 })).usage).toEqual(
      plain.usage,
    );
    const roles = ['developer', 'user', 'assistant'].map((role) => ({ role, content: 'a' }));
    expect((await complete({ messages: roles })).usage.completion_tokens).toBe(8);
  });

  it('lists its model and says how it is', async () => {
    const models = await server.client.request({
      method: 'GET',
      path: '/v1/models',
      headers: {},
      body: new Uint8Array(),
    });
    expect(await new Response(models.body).json()).toMatchObject({
      object: 'list',
      data: [{ id: 'tiny', object: 'model' }],
    });
    expect(await server.client.health()).toEqual({
      status: 'ready',
      progress: 1,
      busy: 0,
      queued: 0,
      total: 2,
    });
  });

  it('satisfies the openai package', async () => {
    const openai = new OpenAI({
      apiKey: 'none',
      baseURL: 'http://engine/v1',
      fetch: viaEngine,
      maxRetries: 0,
    });
    const messages = [{ role: 'user' as const, content: 'Hello' }];
    const whole = await openai.chat.completions.create({
      model: 'tiny',
      messages,
      max_tokens: 8,
      temperature: 0,
    });
    const stream = openai.chat.completions.stream({ model: 'tiny', messages, max_tokens: 8, temperature: 0 });
    expect((await stream.finalChatCompletion()).choices[0]?.message.content).toBe(
      whole.choices[0]?.message.content,
    );
    await expect(openai.chat.completions.create({ model: 'other', messages })).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
      param: 'model',
    });
  });
});

describe('turns and losses', () => {
  it('stops at once when the caller is gone, and the sequence serves the next', async () => {
    const gone = new AbortController();
    const lost = expect(ask({ ...LONG, stream: true }, gone.signal)).rejects.toMatchObject({
      code: 'engine_aborted',
    });
    await server.untilCounts(1, 0);
    const started = performance.now();
    gone.abort();
    await lost;
    await server.untilCounts(0, 0);
    expect(performance.now() - started).toBeLessThan(1000);
    expect((await ask({})).status).toBe(200);
  });

  it('queues what does not fit, refuses what does not fit the queue, and forgets who leaves it', async () => {
    const leavers = Array.from({ length: 4 }, () => new AbortController());
    const long = Promise.allSettled(leavers.map(({ signal }) => ask(LONG, signal)));
    await server.untilCounts(2, 2);
    const refused = await ask({});
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.text).error).toMatchObject({
      code: 'engine_overloaded',
      type: 'server_error',
    });
    leavers[3]?.abort();
    await server.untilCounts(2, 1);
    const next = ask({});
    for (const leaver of leavers) leaver.abort();
    expect((await next).status).toBe(200);
    await server.untilCounts(0, 0);
    for (const { reason } of (await long) as PromiseRejectedResult[])
      expect(reason).toMatchObject({ code: 'engine_aborted' });
  });

  it('answers together as it answers alone', async () => {
    const alone = await complete({ max_tokens: 40 });
    const together = await Promise.all([1, 2, 3].map(() => complete({ max_tokens: 40 })));
    for (const { usage } of together) expect(usage).toEqual(alone.usage);
  });
});

describe('refusals', () => {
  it.each<[string, object, number, string, string | null]>([
    ['another model', { model: 'other' }, 404, 'model_not_found', 'model'],
    ['nine choices', { n: 9 }, 400, 'invalid_value', 'n'],
    [
      'an image',
      { messages: user([{ type: 'image_url', image_url: {} }]) },
      400,
      'unsupported_content',
      'messages[0].content[0]',
    ],
    [
      'a prompt over the context',
      { messages: user('x'.repeat(2100)) },
      400,
      'context_length_exceeded',
      'messages',
    ],
    [
      'a schema that no grammar expresses',
      {
        response_format: {
          type: 'json_schema',
          json_schema: { schema: { type: 'object', properties: { a: { $ref: '#/x/y' } } } },
        },
      },
      400,
      'invalid_value',
      'response_format.json_schema.schema',
    ],
  ])('refuses %s', async (_name, body, status, code, param) => {
    const answer = await ask(body);
    expect(answer.status, answer.text).toBe(status);
    expect(JSON.parse(answer.text).error).toMatchObject({ type: 'invalid_request_error', code, param });
  });

  it.each([
    ['GET', '/v1/chat/completions', 405, 'method_not_allowed'],
    ['POST', '/v1/models', 405, 'method_not_allowed'],
    ['GET', '/v1/files', 404, 'not_found'],
  ])('refuses %s %s', async (method, path, status, code) => {
    const answer = await server.client.request({ method, path, headers: {}, body: new Uint8Array() });
    expect(answer.status).toBe(status);
    expect(await new Response(answer.body).json()).toMatchObject({ error: { code } });
  });

  it('refuses a body that is not JSON, and one that is too large', async () => {
    const send = async (body: Uint8Array) => {
      const answer = await server.client.request({
        method: 'POST',
        path: '/v1/chat/completions',
        headers: {},
        body,
      });
      return ((await new Response(answer.body).json()) as { error: { code: string } }).error.code;
    };
    expect(await send(new TextEncoder().encode('{'))).toBe('invalid_json');
    expect(await send(new Uint8Array(16 * 1024 * 1024 + 1))).toBe('request_too_large');
  });
});

describe('life', () => {
  it('ends when its stdin ends, even in the middle of an answer, and the answer does not look complete', async () => {
    const own = await runLlamaServer(['--model', modelPath, '--model-id', 'tiny', '--threads', '1']);
    const cut = expect(
      own.chat({ model: 'tiny', messages: user('Hello'), ...LONG, stream: true }),
    ).rejects.toMatchObject({
      code: 'engine_crashed',
    });
    await own.untilCounts(1, 0);
    await own.stop();
    await cut;
    expect(await own.exited).toBe(0);
  });

  it('ends with a number and without a word when it cannot start', async () => {
    const none = await runLlamaServer(
      ['--model', join(folder, 'none.gguf'), '--model-id', 'x', '--threads', '1'],
      false,
    );
    expect(await none.exited).toBe(65);
    const unusable = await runLlamaServer(['--threads', '1'], false);
    expect(await unusable.exited).toBe(64);
    expect(none.output() + unusable.output()).toBe(0);
    await Promise.all([none.stop(), unusable.stop()]);
  });
});

const viaEngine: typeof fetch = async (input, init) => {
  const request = new Request(input, init);
  const answer = await server.client.request({
    method: request.method,
    path: new URL(request.url).pathname,
    headers: { 'content-type': 'application/json' },
    body: new Uint8Array(await request.arrayBuffer()),
    signal: request.signal,
  });
  return new Response(answer.body, { status: answer.status, headers: answer.headers });
};

describe('the prefix cache', () => {
  const prompt = user(`${'The same long beginning. '.repeat(20)}And an end.`);
  const cached = async (headers: Record<string, string>, more: object = {}) => {
    const { text } = await post(
      server.client,
      '/v1/chat/completions',
      { model: 'tiny', messages: prompt, max_tokens: 1, ...more },
      { headers },
    );
    return (
      (JSON.parse(text) as { usage: { prompt_tokens_details?: { cached_tokens: number } } }).usage
        .prompt_tokens_details?.cached_tokens ?? 0
    );
  };

  it('is found again by the same salt, and by nobody else', async () => {
    const alice = { 'cloister-cache-salt': 'alice' };
    expect(await cached(alice)).toBe(0);
    expect(await cached(alice)).toBeGreaterThan(400);
    // every sequence once: the one that holds it is among them
    for (const salt of ['bob', 'carol']) expect(await cached({ 'cloister-cache-salt': salt }), salt).toBe(0);
    expect(await cached(alice)).toBe(0);
  });

  it('is found by nobody where there is no salt, even under one that was used before', async () => {
    const dave = { 'cloister-cache-salt': 'dave' };
    await cached(dave);
    expect(await cached({})).toBe(0);
    expect(await cached({})).toBe(0);
    expect(await cached({}, { cache_salt: '' })).toBe(0);
  });

  it('takes the salt as a member as well, and the header goes first', async () => {
    await cached({}, { cache_salt: 'erin' });
    expect(await cached({}, { cache_salt: 'erin' })).toBeGreaterThan(400);
    expect(await cached({ 'cloister-cache-salt': 'frank' }, { cache_salt: 'erin' })).toBe(0);
  });
});

describe('turns of several callers', () => {
  it('serves one request of a modest caller before the many of a greedy one', async () => {
    const many = Array.from({ length: 4 }, () => new AbortController());
    const order: string[] = [];
    const send = (share: string, signal: AbortSignal, max_tokens: number) =>
      post(
        server.client,
        '/v1/chat/completions',
        { model: 'tiny', messages: user('Hello'), temperature: 0, max_tokens },
        { headers: { 'cloister-fair-share': share }, signal },
      )
        .then(({ status }) => order.push(`${share} ${status}`))
        .catch(() => undefined);
    const greedy = many.map(({ signal }) => send('greedy', signal, 400));
    await server.untilCounts(2, 2);
    // the queue is full: the newest of the greedy makes room
    await send('modest', new AbortController().signal, 1);
    expect(order[0]).toBe('greedy 503');
    expect(order.filter((one) => one === 'greedy 200').length).toBeLessThanOrEqual(2);
    expect(order.at(-1)).toBe('modest 200');
    for (const one of many) one.abort();
    await Promise.all(greedy);
  });
});
