// The contract of an engine, case by case: OpenAI's HTTP API on one socket. Random weights will do, because only the form is judged.

import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import { expect } from 'vitest';
import type { EngineClient } from '../../../../backend/engine/engine-client.ts';
import { type Asked, type ChatShape, joinChunks, post, readEvents } from './ask-engine.ts';
import type { Feature } from './features.ts';

/** An engine under test. */
export interface ContractEngine {
  readonly client: Pick<EngineClient, 'request'>;
  /** The id under which it serves its model. */
  readonly model: string;
  /** Tokens of prompt and answer together. */
  readonly contextTokens: number;
  /** Requests answered at once. */
  readonly slots: number;
}

export type ContractCase = (engine: ContractEngine) => Promise<void>;

const CHAT = '/v1/chat/completions';
const TEXT = '/v1/completions';
const hello = [{ role: 'user', content: 'Hello' }];
const CITY = { type: 'object', properties: { city: { type: 'string', maxLength: 8 } }, required: ['city'] };
const tool = (name: string) => ({
  type: 'function',
  function: { name, description: 'Tells the weather', parameters: { ...CITY, additionalProperties: false } },
});
const SURE = {
  type: 'object',
  properties: { sure: { type: 'boolean' }, size: { enum: ['small', 'large'] } },
  required: ['sure', 'size'],
  additionalProperties: false,
};

const ask = ({ client, model }: ContractEngine, body: object): Promise<Asked> =>
  post(client, CHAT, { model, messages: hello, temperature: 0, max_tokens: 8, ...body });

async function chat(engine: ContractEngine, body: object = {}): Promise<ChatShape> {
  const asked = await ask(engine, body);
  expect(asked.status, asked.text).toBe(200);
  return JSON.parse(asked.text) as ChatShape;
}

async function say(engine: ContractEngine, body: object = {}): Promise<string> {
  return (await chat(engine, body)).choices[0]?.message.content ?? '';
}

async function complete(engine: ContractEngine, body: object) {
  const asked = await post(engine.client, TEXT, {
    model: engine.model,
    prompt: 'Hello',
    temperature: 0,
    max_tokens: 8,
    ...body,
  });
  expect(asked.status, asked.text).toBe(200);
  return JSON.parse(asked.text);
}

const stream = async (engine: ContractEngine, body: object) =>
  readEvents(await ask(engine, { stream: true, ...body }));

async function expectRefusal(asked: Promise<Asked>): Promise<void> {
  const { status, text } = await asked;
  expect(status, text).toBeGreaterThanOrEqual(400);
  expect(status, text).toBeLessThan(500);
  expect(JSON.parse(text)).toMatchObject({
    error: { message: expect.any(String), type: expect.any(String) },
  });
}

/** Each feature with what must hold. Throws where it does not. */
export const CONTRACT: Readonly<Record<Feature, ContractCase>> = {
  async chat(engine) {
    const whole = await chat(engine);
    expect(whole).toMatchObject({
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: expect.stringMatching(/./) } }],
    });
    const chunks = await stream(engine, {});
    expect(chunks[0]?.choices[0]?.delta?.role).toBe('assistant');
    expect(new Set(chunks.map((chunk) => chunk.object))).toEqual(new Set(['chat.completion.chunk']));
    expect(chunks.length).toBeGreaterThan(4);
    expect(joinChunks(chunks).content).toBe(whole.choices[0]?.message.content);
    const openai = new OpenAI({
      apiKey: 'x',
      baseURL: 'http://engine/v1',
      fetch: via(engine),
      maxRetries: 0,
    });
    const messages = [{ role: 'user' as const, content: 'Hello' }];
    const given = await openai.chat.completions.create({
      model: engine.model,
      messages,
      max_tokens: 8,
      temperature: 0,
    });
    expect(given.choices[0]?.message.content).toBe(whole.choices[0]?.message.content);
  },

  async completions(engine) {
    const whole = await complete(engine, {});
    expect(whole).toMatchObject({
      object: 'text_completion',
      choices: [{ index: 0, text: expect.stringMatching(/./), finish_reason: 'length' }],
      usage: { completion_tokens: 8 },
    });
    const asked = await post(engine.client, TEXT, {
      model: engine.model,
      prompt: 'Hello',
      temperature: 0,
      max_tokens: 8,
      stream: true,
    });
    const joined = joinChunks(readEvents(asked));
    expect([joined.content, joined.finish]).toEqual([whole.choices[0].text, 'length']);
    const several = await complete(engine, { prompt: ['Hello', 'World'] });
    expect(several.choices.map(({ index }: { index: number }) => index)).toEqual([0, 1]);
    expect(several.choices[0].text).toBe(whole.choices[0].text);
    const numbers = await complete(engine, { prompt: [300, 301, 302] });
    expect(numbers.usage.prompt_tokens).toBe(3);
  },

  async embeddings(engine) {
    const embed = async (body: object) => {
      const asked = await post(engine.client, '/v1/embeddings', { model: engine.model, ...body });
      expect(asked.status, asked.text).toBe(200);
      return JSON.parse(asked.text);
    };
    const both = await embed({ input: ['Hello', 'World'] });
    expect(both).toMatchObject({ object: 'list', data: [{ index: 0, object: 'embedding' }, { index: 1 }] });
    expect(both.usage.prompt_tokens).toBeGreaterThan(8);
    const [first, second] = both.data.map(({ embedding }: { embedding: number[] }) => embedding);
    expect(Math.hypot(...first)).toBeCloseTo(1, 3);
    expect(first).not.toEqual(second);
    const alone = await embed({ input: 'Hello', encoding_format: 'base64' });
    const octets = Buffer.from(alone.data[0].embedding, 'base64');
    expect(octets.length).toBe(4 * first.length);
    expect(octets.readFloatLE(0)).toBeCloseTo(first[0], 3);
    await expectRefusal(post(engine.client, '/v1/embeddings', { model: engine.model, input: [] }));
  },

  async models({ client, model }) {
    const answer = await client.request({
      method: 'GET',
      path: '/v1/models',
      headers: {},
      body: new Uint8Array(),
    });
    const listed = (await new Response(answer.body).json()) as { data: { id: string; object: string }[] };
    expect(listed).toMatchObject({ object: 'list', data: [{ object: 'model' }] });
    expect(listed.data.map(({ id }) => id)).toContain(model);
  },

  async usage(engine) {
    const first = await chat(engine);
    const again = await chat(engine);
    expect(first.usage.completion_tokens).toBe(8);
    expect(first.usage.total_tokens).toBe(first.usage.prompt_tokens + 8);
    // in full, whatever was read before
    expect(again.usage.prompt_tokens).toBe(first.usage.prompt_tokens);
    const longer = await chat(engine, { messages: [{ role: 'user', content: 'Hellooooo' }] });
    expect(longer.usage.prompt_tokens).toBe(first.usage.prompt_tokens + 4);
    const chunks = await stream(engine, { stream_options: { include_usage: true } });
    expect(chunks.at(-1)?.choices).toEqual([]);
    expect(chunks.at(-1)?.usage).toMatchObject({
      prompt_tokens: first.usage.prompt_tokens,
      completion_tokens: 8,
    });
    const silent = await stream(engine, {});
    expect(silent.every(({ usage }) => usage === undefined || usage === null)).toBe(true);
  },

  async roles(engine) {
    const messages = ['system', 'developer', 'user', 'assistant', 'user'].map((role) => ({
      role,
      content: 'a',
    }));
    expect((await chat(engine, { messages })).usage.completion_tokens).toBe(8);
    const parts = [
      { type: 'text', text: 'Hel' },
      { type: 'text', text: 'lo' },
    ];
    await chat(engine, { messages: [{ role: 'user', content: parts }] });
  },

  async 'unknown members'(engine) {
    const unknown = { user: 'x', metadata: { a: 'b' }, store: false, x_unheard_of: { deep: [1] } };
    expect(await say(engine, unknown)).toBe(await say(engine));
  },

  async stop(engine) {
    const text = await say(engine, { max_tokens: 30 });
    // from the middle of one token into the middle of the next
    const place = text.indexOf(' ', 8);
    const stop = text.slice(place - 2, place + 3);
    const before = text.slice(0, text.indexOf(stop));
    for (const given of [stop, ['never said', stop]]) {
      const { choices } = await chat(engine, { max_tokens: 30, stop: given });
      expect(choices[0]?.finish_reason).toBe('stop');
      expect(choices[0]?.message.content).toBe(before);
      const streamed = joinChunks(await stream(engine, { max_tokens: 30, stop: given }));
      expect([streamed.content, streamed.finish]).toEqual([before, 'stop']);
    }
    expect((await complete(engine, { prompt: 'Hello', stop: 'never said' })).choices[0].finish_reason).toBe(
      'length',
    );
  },

  async 'max tokens'(engine) {
    const { choices, usage } = await chat(engine, { max_tokens: null, max_completion_tokens: 3 });
    expect([choices[0]?.finish_reason, usage.completion_tokens]).toEqual(['length', 3]);
    expect((await chat(engine, { max_tokens: 1 })).usage.completion_tokens).toBe(1);
  },

  async seed(engine) {
    const draw = (seed: number) => say(engine, { temperature: 1, max_tokens: 24, seed });
    const [first, again, other] = [await draw(7), await draw(7), await draw(8)];
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  },

  async sampling(engine) {
    const greedy = await say(engine, { max_tokens: 24 });
    const hot = { temperature: 2, max_tokens: 24, seed: 3 };
    expect(await say(engine, { ...hot, top_k: 1 })).toBe(greedy);
    expect(await say(engine, { ...hot, top_p: 1e-6 })).toBe(greedy);
    expect(await say(engine, { ...hot, min_p: 1 })).toBe(greedy);
    expect(await say(engine, hot)).not.toBe(greedy);
    const distinct = (text: string) => new Set(text.split(' ')).size;
    const varied = { frequency_penalty: 2, presence_penalty: 2, max_tokens: 40 };
    const repeating = { frequency_penalty: -2, presence_penalty: -2, max_tokens: 40 };
    expect(distinct(await say(engine, repeating))).toBeLessThan(distinct(await say(engine, varied)));
  },

  async 'logit bias'(engine) {
    // the number of the word in the fixture's vocabulary is in the word
    const word = 'w400';
    expect(await say(engine, { logit_bias: { '400': 100 }, max_tokens: 4 })).toContain(`${word} ${word}`);
    const [said] = /\bw\d+/.exec(await say(engine)) ?? [''];
    expect(await say(engine, { logit_bias: { [said.slice(1)]: -100 } })).not.toMatch(
      new RegExp(`\\b${said}\\b`),
    );
  },

  async n(engine) {
    const { choices, usage } = await chat(engine, { n: 2, temperature: 1, seed: 5, max_tokens: 16 });
    expect(choices.map(({ index }) => index).sort()).toEqual([0, 1]);
    expect(new Set(choices.map(({ message }) => message.content)).size).toBe(2);
    expect(usage.completion_tokens).toBe(32);
    const chunks = await stream(engine, { n: 2 });
    const greedy = await say(engine);
    expect([joinChunks(chunks, 0).content, joinChunks(chunks, 1).content]).toEqual([greedy, greedy]);
    await expectRefusal(ask(engine, { n: 1000 }));
  },

  async 'json mode'(engine) {
    const { choices } = await chat(engine, { response_format: { type: 'json_object' }, max_tokens: 120 });
    expect(choices[0]?.message.content?.trimStart()).toMatch(/^\{/);
  },

  async 'json schema'(engine) {
    const schema = { name: 'x', strict: true, schema: SURE };
    const body = { response_format: { type: 'json_schema', json_schema: schema }, max_tokens: 200 };
    const given = JSON.parse(await say(engine, body));
    expect(given).toEqual({ sure: expect.any(Boolean), size: expect.stringMatching(/^(small|large)$/) });
    const streamed = joinChunks(await stream(engine, { ...body, temperature: 1, seed: 4 }));
    expect(JSON.parse(streamed.content)).toEqual({ sure: expect.any(Boolean), size: expect.any(String) });
  },

  async 'tool choice required'(engine) {
    const tools = [tool('get_weather'), tool('get_tides')];
    const { choices } = await chat(engine, { tools, tool_choice: 'required', max_tokens: 200 });
    const [call] = choices[0]?.message.tool_calls ?? [];
    expect(choices[0]?.finish_reason).toBe('tool_calls');
    expect(call).toMatchObject({ type: 'function', id: expect.stringMatching(/./) });
    expect(['get_weather', 'get_tides']).toContain(call?.function.name);
    expect(JSON.parse(call?.function.arguments ?? '')).toEqual({ city: expect.any(String) });
  },

  async 'tool choice named'(engine) {
    const tools = [tool('get_weather'), tool('get_tides')];
    const tool_choice = { type: 'function', function: { name: 'get_tides' } };
    const { choices } = await chat(engine, { tools, tool_choice, max_tokens: 200 });
    const [call] = choices[0]?.message.tool_calls ?? [];
    expect(call?.function.name).toBe('get_tides');
    expect(JSON.parse(call?.function.arguments ?? '')).toEqual({ city: expect.any(String) });
  },

  async 'tool choice none'(engine) {
    const tools = [tool('get_weather')];
    const none = await chat(engine, { tools, tool_choice: 'none' });
    expect(none.choices[0]?.message.tool_calls ?? []).toEqual([]);
    const auto = await chat(engine, { tools, tool_choice: 'auto', parallel_tool_calls: false });
    expect(['length', 'stop', 'tool_calls']).toContain(auto.choices[0]?.finish_reason);
  },

  async 'streamed tools'(engine) {
    const tools = [tool('get_weather')];
    const chunks = await stream(engine, { tools, tool_choice: 'required', max_tokens: 200 });
    const { calls, finish } = joinChunks(chunks);
    expect([calls.length, finish]).toEqual([1, 'tool_calls']);
    expect(calls[0]).toMatchObject({ name: 'get_weather', id: expect.stringMatching(/./) });
    expect(JSON.parse(calls[0]?.arguments ?? '')).toEqual({ city: expect.any(String) });
    const deltas = chunks.flatMap(({ choices }) => choices.flatMap(({ delta }) => delta?.tool_calls ?? []));
    expect(deltas.length).toBeGreaterThan(2);
  },

  async 'tool results'(engine) {
    const call = {
      id: 'call_1',
      type: 'function',
      function: { name: 'get_weather', arguments: '{"city":"Oslo"}' },
    };
    const told = (content: string) => [
      ...hello,
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'call_1', content },
    ];
    const tools = [tool('get_weather')];
    const short = await chat(engine, { messages: told('rain'), tools });
    const long = await chat(engine, { messages: told('rain and more rain'), tools });
    expect(long.usage.prompt_tokens).toBeGreaterThanOrEqual(short.usage.prompt_tokens + 14);
  },

  async logprobs(engine) {
    const { choices } = await chat(engine, { logprobs: true, top_logprobs: 3 });
    const content = choices[0]?.logprobs?.content ?? [];
    expect(content.length).toBe(8);
    expect(
      content
        .map(({ token }) => token)
        .join('')
        .trim(),
    ).toBe(choices[0]?.message.content?.trim());
    for (const { token, logprob, top_logprobs, bytes } of content) {
      expect(logprob).toBeLessThanOrEqual(0);
      expect(top_logprobs.length).toBe(3);
      // greedy: the first of the likeliest is the one
      expect(top_logprobs[0]?.token).toBe(token);
      expect(Math.abs((top_logprobs[0]?.logprob ?? 0) - logprob)).toBeLessThan(1e-3);
      expect(top_logprobs.map((top) => top.logprob)).toEqual(
        top_logprobs.map((top) => top.logprob).sort((a, b) => b - a),
      );
      expect(Buffer.from(bytes ?? []).toString()).toBe(token);
    }
    const chunks = await stream(engine, { logprobs: true, top_logprobs: 1 });
    const streamed = chunks.flatMap(({ choices: [choice] }) => choice?.logprobs?.content ?? []);
    expect(streamed.map(({ token }) => token)).toEqual(content.map(({ token }) => token));
  },

  async 'completion logprobs'(engine) {
    const { choices } = await complete(engine, { logprobs: 2 });
    const { tokens, token_logprobs, top_logprobs, text_offset } = choices[0].logprobs;
    expect([tokens.length, token_logprobs.length, top_logprobs.length]).toEqual([8, 8, 8]);
    expect(tokens.join('').trim()).toBe(choices[0].text.trim());
    expect(text_offset[0]).toBe(0);
  },

  async echo(engine) {
    const plain = await complete(engine, {});
    expect((await complete(engine, { echo: true })).choices[0].text).toBe(`Hello${plain.choices[0].text}`);
  },

  async refusals(engine) {
    await expectRefusal(ask(engine, { messages: undefined }));
    await expectRefusal(post(engine.client, CHAT, '{'));
    const content = 'x'.repeat(engine.contextTokens + 10);
    await expectRefusal(ask(engine, { messages: [{ role: 'user', content }] }));
    const nowhere = await post(engine.client, '/v1/nowhere', {});
    expect(nowhere.status).toBe(404);
  },

  async abort(engine) {
    const many = Array.from({ length: engine.slots }, () => new AbortController());
    const lost = many.map(({ signal }) =>
      post(
        engine.client,
        CHAT,
        { model: engine.model, messages: hello, max_tokens: engine.contextTokens - 100, stream: true },
        { signal },
      ).catch(() => undefined),
    );
    await sleep(50);
    for (const one of many) one.abort();
    const started = performance.now();
    await Promise.all(lost);
    await chat(engine, { max_tokens: 1 });
    expect(performance.now() - started).toBeLessThan(1000);
  },

  async concurrent(engine) {
    const alone = await say(engine);
    const together = await Promise.all(Array.from({ length: engine.slots + 2 }, () => say(engine)));
    expect(new Set(together)).toEqual(new Set([alone]));
  },
};

function via({ client }: ContractEngine): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const answer = await client.request({
      method: request.method,
      path: new URL(request.url).pathname,
      headers: { 'content-type': 'application/json' },
      body: new Uint8Array(await request.arrayBuffer()),
    });
    return new Response(answer.body, { status: answer.status, headers: answer.headers });
  };
}
