// The packages that people use, unmodified, over the sealed path: `openai` and `@anthropic-ai/sdk` with our fetch, and through the loopback endpoint.

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SERVABLE_ROUTES } from '../../backend/adapter/dialects/translate-request.ts';
import { FEATURES } from '../../backend/adapter/limits/check-features.ts';
import { type LocalEndpoint, startLocalEndpoint } from '../../shared/cli/local-endpoint.ts';
import type { Cloister } from '../../shared/client/create-cloister.ts';
import { MODEL, startWholeSystem, until, type WholeSystem } from '../harness/whole-system.ts';

let system: WholeSystem;
let cloister: Cloister;
let local: LocalEndpoint;
beforeAll(async () => {
  system = await startWholeSystem({ nodes: 1 });
  cloister = system.client();
  local = await startLocalEndpoint(cloister, 0);
}, 60_000);
afterAll(async () => {
  await local?.close();
  await system?.stop();
});

/** Two ways to the sealed path. Neither SDK knows of it: one is given a fetch, one a base URL. */
const WAYS = ['our fetch', 'the loopback endpoint'] as const;
const openaiBy = (way: (typeof WAYS)[number]) =>
  way === 'our fetch'
    ? new OpenAI({ baseURL: cloister.baseURL, apiKey: 'unused', fetch: cloister.fetch, maxRetries: 0 })
    : new OpenAI({ baseURL: `${local.url}/v1`, apiKey: 'unused', maxRetries: 0 });
const anthropicBy = (way: (typeof WAYS)[number]) =>
  way === 'our fetch'
    ? new Anthropic({
        baseURL: new URL(cloister.baseURL).origin,
        apiKey: 'sk-ant-CANARY',
        fetch: cloister.fetch,
        maxRetries: 0,
      })
    : new Anthropic({ baseURL: local.url, apiKey: 'sk-ant-CANARY', maxRetries: 0 });

const CITY = {
  type: 'object',
  properties: { city: { enum: ['Bern', 'Oslo'] } },
  required: ['city'],
  additionalProperties: false,
} as const;
const question = [{ role: 'user' as const, content: 'Say anything.' }];
const finished = (): number =>
  system.nodes[0]?.events.filter(({ event }) => event === 'request_answered').length ?? 0;

describe.each(WAYS)('the openai package by %s', (way) => {
  test('chats, whole and streamed', async () => {
    const openai = openaiBy(way);
    const whole = await openai.chat.completions.create({
      model: MODEL,
      messages: question,
      max_tokens: 8,
      seed: 1,
    });
    expect(whole.choices[0]?.message.content).toMatch(/w\d+/);
    const stream = await openai.chat.completions.create({
      model: MODEL,
      messages: question,
      max_tokens: 8,
      seed: 1,
      stream: true,
    });
    let text = '';
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
    expect(text).toBe(whole.choices[0]?.message.content);
  });

  test('lists models', async () => {
    expect((await openaiBy(way).models.list()).data.map(({ id }) => id)).toEqual([MODEL]);
  });

  test('completes text', async () => {
    const { choices, usage } = await openaiBy(way).completions.create({
      model: MODEL,
      prompt: 'w1 w2',
      max_tokens: 4,
    });
    expect(choices[0]?.text).toMatch(/w\d+/);
    expect(usage?.completion_tokens).toBe(4);
  });

  test('embeds', async () => {
    const { data } = await openaiBy(way).embeddings.create({ model: MODEL, input: ['w1', 'w2 w3'] });
    expect(data).toHaveLength(2);
    for (const { embedding } of data) {
      expect(embedding.length).toBeGreaterThan(8);
      expect(Math.hypot(...embedding)).toBeCloseTo(1, 3);
    }
  });

  test('calls a tool that the chat must call', async () => {
    const { choices } = await openaiBy(way).chat.completions.create({
      model: MODEL,
      messages: question,
      tools: [{ type: 'function', function: { name: 'weather', parameters: CITY } }],
      tool_choice: 'required',
    });
    const [call] = choices[0]?.message.tool_calls ?? [];
    expect(choices[0]?.finish_reason).toBe('tool_calls');
    if (call?.type !== 'function') throw new Error('a function call was expected');
    expect(call.function.name).toBe('weather');
    expect(['Bern', 'Oslo']).toContain((JSON.parse(call.function.arguments) as { city: string }).city);
  });

  test('responds, whole', async () => {
    const response = await openaiBy(way).responses.create({
      model: MODEL,
      instructions: 'Be brief.',
      input: 'Say anything.',
      max_output_tokens: 8,
    });
    expect(response.output_text).toMatch(/w\d+/);
    expect(response.status).toBe('incomplete');
    expect(response.incomplete_details).toEqual({ reason: 'max_output_tokens' });
    expect(response.usage?.output_tokens).toBe(8);
    expect(response.usage?.input_tokens).toBeGreaterThan(3);
  });

  test('responds, streamed: the SDK’s own accumulation is the last event’s response', async () => {
    const stream = openaiBy(way).responses.stream({
      model: MODEL,
      input: 'Say anything.',
      max_output_tokens: 8,
    });
    const types: string[] = [];
    let text = '';
    for await (const event of stream) {
      types.push(event.type);
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    expect(types[0]).toBe('response.created');
    expect(types.at(-1)).toBe('response.incomplete');
    expect(text).toMatch(/w\d+/);
    expect((await stream.finalResponse()).output_text).toBe(text);
  });

  test('responds with a tool call, and goes on with its result', async () => {
    const openai = openaiBy(way);
    const tool = { type: 'function' as const, name: 'weather', parameters: CITY, strict: true };
    const ask = { model: MODEL, input: 'Weather?', tools: [tool], tool_choice: 'required' as const };
    const stream = openai.responses.stream(ask);
    const { output } = await stream.finalResponse();
    const call = output.find((item) => item.type === 'function_call');
    if (call === undefined) throw new Error('a function call was expected');
    expect(call.name).toBe('weather');
    expect(['Bern', 'Oslo']).toContain((JSON.parse(call.arguments) as { city: string }).city);
    const next = await openai.responses.create({
      model: MODEL,
      input: [
        { role: 'user', content: 'Weather?' },
        { type: 'function_call', call_id: call.call_id, name: call.name, arguments: call.arguments },
        { type: 'function_call_output', call_id: call.call_id, output: 'rain' },
      ],
      tools: [tool],
      tool_choice: 'none',
      max_output_tokens: 6,
    });
    expect(next.output_text).toMatch(/w\d+/);
  });

  test('parses an answer that has a schema', async () => {
    const response = await openaiBy(way).responses.create({
      model: MODEL,
      input: 'A city.',
      text: { format: { type: 'json_schema', name: 'city', schema: CITY, strict: true } },
    });
    expect(response.status).toBe('completed');
    expect(['Bern', 'Oslo']).toContain((JSON.parse(response.output_text) as { city: string }).city);
  });

  test.each([
    [{ previous_response_id: 'resp_1' }, 'nothing_retained', 'previous_response_id'],
    [{ store: true }, 'nothing_retained', 'store'],
    [{ max_output_tokens: 1_000_000 }, 'limit_exceeded', 'max_output_tokens'],
    [{ tools: [{ type: 'web_search' as const }] }, 'feature_not_offered', 'tools[0].type'],
  ])('hears why it is refused: %j', async (more, code, param) => {
    const asked = openaiBy(way).responses.create({ model: MODEL, input: 'x', ...more });
    await expect(asked).rejects.toMatchObject({ status: 400, code, param });
  });
});

/** Anthropic counts apart what came from the cache of the session. */
const inputTokens = ({ usage }: Anthropic.Message): number =>
  usage.input_tokens + (usage.cache_read_input_tokens ?? 0);

describe.each(WAYS)('the Anthropic package by %s', (way) => {
  const ask = { model: MODEL, max_tokens: 8, system: 'Be brief.', messages: question };

  test('gets a message, whole', async () => {
    const message = await anthropicBy(way).messages.create(ask);
    expect(message.content).toMatchObject([{ type: 'text', text: expect.stringMatching(/w\d+/) }]);
    expect(message).toMatchObject({ role: 'assistant', stop_reason: 'max_tokens', model: MODEL });
    expect(message.usage.output_tokens).toBe(8);
    expect(inputTokens(message)).toBeGreaterThan(3);
  });

  test('gets a message, streamed, as the SDK puts it together', async () => {
    const stream = anthropicBy(way).messages.stream(ask);
    let text = '';
    stream.on('text', (delta) => {
      text += delta;
    });
    const message = await stream.finalMessage();
    expect(text).toMatch(/w\d+/);
    expect(message.content).toMatchObject([{ type: 'text', text }]);
    expect(message.usage).toMatchObject({ output_tokens: 8 });
    expect(inputTokens(message)).toBeGreaterThan(3);
  });

  test('gets a message from the beta resource, whose path has a query', async () => {
    const message = await anthropicBy(way).beta.messages.create({
      ...ask,
      betas: ['interleaved-thinking-2025-05-14'],
    });
    expect(message.stop_reason).toBe('max_tokens');
  });

  test('uses a tool, streamed, and goes on with its result', async () => {
    const anthropic = anthropicBy(way);
    const tools = [{ name: 'weather', input_schema: CITY as unknown as Anthropic.Tool.InputSchema }];
    const wants = { ...ask, max_tokens: 100, tools, tool_choice: { type: 'any' as const } };
    const message = await anthropic.messages.stream(wants).finalMessage();
    const use = message.content.find((block) => block.type === 'tool_use');
    if (use === undefined) throw new Error('a tool use was expected');
    expect(message.stop_reason).toBe('tool_use');
    expect(['Bern', 'Oslo']).toContain((use.input as { city: string }).city);
    const next = await anthropic.messages.create({
      ...ask,
      tools,
      tool_choice: { type: 'none' },
      messages: [
        ...question,
        { role: 'assistant', content: message.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'rain' }] },
      ],
    });
    expect(next.content).toMatchObject([{ type: 'text' }]);
  });

  test('hears why it is refused, in its own classes', async () => {
    const anthropic = anthropicBy(way);
    const image = {
      type: 'image' as const,
      source: { type: 'url' as const, url: 'https://example.com/a.png' },
    };
    const asked = anthropic.messages.create({ ...ask, messages: [{ role: 'user', content: [image] }] });
    await expect(asked).rejects.toBeInstanceOf(Anthropic.BadRequestError);
    await expect(asked).rejects.toMatchObject({
      type: 'invalid_request_error',
      error: { error: { code: 'media_not_inline' } },
    });
    await expect(anthropic.messages.create({ ...ask, model: 'another' })).rejects.toBeInstanceOf(
      Anthropic.NotFoundError,
    );
  });

  test('that stops reading stops the engine', async () => {
    const before = finished();
    const stream = await anthropicBy(way).messages.create({ ...ask, max_tokens: 1900, stream: true });
    for await (const event of stream) if (event.type === 'content_block_delta') break;
    await until(() => finished() > before, 2_000);
    expect(system.nodes[0]?.events.findLast(({ event }) => event === 'request_answered')).toMatchObject({
      outcome: 'client_gone',
    });
  });
});

describe('the surface in the verified core', () => {
  const sealed = (route: string, body: object) => {
    const [method = '', path = ''] = route.split(' ');
    return cloister.fetch(new URL(path, cloister.baseURL), {
      method,
      ...(method === 'POST' && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    });
  };
  const codeOf = async (response: Response) =>
    ((await response.json()) as { error?: { code?: string } }).error?.code;
  const HELLO = { model: MODEL, messages: question, max_tokens: 1 };
  const BODIES: Readonly<Record<string, object>> = {
    'POST /v1/completions': { model: MODEL, prompt: 'w1', max_tokens: 1 },
    'POST /v1/embeddings': { model: MODEL, input: 'w1' },
    'POST /v1/responses': { model: MODEL, input: 'w1', max_output_tokens: 1 },
  };

  test('is what is served: each of its routes answers, and no other', async () => {
    const surface = (await cloister.verify()).key.core.surface;
    expect(surface.egress).toBe('none');
    for (const route of [
      ...SERVABLE_ROUTES,
      'GET /health',
      'POST /v1/rerank',
      'POST /v1/messages/count_tokens',
    ]) {
      const response = await sealed(route, BODIES[route] ?? HELLO);
      if (surface.routes.includes(route)) expect([route, response.status]).toEqual([route, 200]);
      else expect([route, await codeOf(response)]).toEqual([route, 'route_not_offered']);
    }
  });

  test('is what is switched on: each of its features is used, and no other', async () => {
    const { features } = (await cloister.verify()).key.core.surface;
    const uses: Readonly<Record<(typeof FEATURES)[number], object>> = {
      streaming: { stream: true },
      tools: { tools: [{ type: 'function', function: { name: 'f' } }] },
      'json-schema': { response_format: { type: 'json_schema', json_schema: { name: 'c', schema: CITY } } },
      logprobs: { logprobs: true, top_logprobs: 1 },
      images: {
        messages: [
          {
            role: 'user',
            content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }],
          },
        ],
      },
    };
    for (const feature of FEATURES) {
      const response = await sealed('POST /v1/chat/completions', { ...HELLO, ...uses[feature] });
      if (features.includes(feature)) {
        expect([feature, response.status]).toEqual([feature, 200]);
        await response.arrayBuffer();
      } else expect([feature, await codeOf(response)]).toEqual([feature, 'feature_not_offered']);
    }
    expect(FEATURES.filter((feature) => features.includes(feature))).toHaveLength(features.length);
  });
});

test('what a session left in the engine’s cache is found by it, and by no other that guesses its salt', async () => {
  const long = Array.from({ length: 60 }, (_, index) => `w${index}`).join(' ');
  const cached = async (client: Cloister, more: object = {}) => {
    const openai = new OpenAI({
      baseURL: client.baseURL,
      apiKey: 'unused',
      fetch: client.fetch,
      maxRetries: 0,
    });
    const { usage } = await openai.chat.completions.create({
      model: MODEL,
      messages: [{ role: 'user', content: long }],
      max_tokens: 1,
      ...more,
    });
    return usage?.prompt_tokens_details?.cached_tokens ?? 0;
  };
  const [one, other] = [system.client(), system.client()];
  const guess = { cache_salt: 'guess', user: 'guess', prompt_cache_key: 'guess' };
  expect(await cached(one, guess)).toBe(0);
  expect(await cached(one)).toBeGreaterThan(50);
  expect(await cached(other, guess)).toBe(0);
});

test('neither SDK’s key nor its platform headers went anywhere', () => {
  const seen = Buffer.concat([system.front.up, ...system.nodes.map(({ hop }) => hop.up)]).toString('latin1');
  expect(seen).not.toContain('CANARY');
  expect(seen.toLowerCase()).not.toContain('x-stainless');
  expect(seen.toLowerCase()).not.toContain('anthropic');
});
