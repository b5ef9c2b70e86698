// Every limit: one below passes, one above is refused before the engine hears of it, and the refusal names the limit.

import { describe, expect, test } from 'vitest';
import { FEATURES } from '../../../../backend/adapter/limits/check-features.ts';
import { REQUEST_LIMIT } from '../../../../backend/adapter/limits/request-limits.ts';
import { fixedOffer, refusalOf, translate } from '../dialects/scripted-chat.ts';

const L = REQUEST_LIMIT;
const many = (count: number, item: unknown) => Array.from({ length: count }, () => item);
const nested = (depth: number): unknown => (depth === 1 ? {} : { a: nested(depth - 1) });
const wide = (octets: number) => ({ a: 'x'.repeat(octets - '{"a":""}'.length) });
const message = { role: 'user', content: 'x' };
const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };

const CHAT = '/v1/chat/completions';
const COMPLETIONS = '/v1/completions';
const EMBEDDINGS = '/v1/embeddings';
const RESPONSES = '/v1/responses';
const MESSAGES = '/v1/messages';

/** Path, the member as it is named, and a request with so much of it. */
const CASES: readonly [string, string, number, (amount: number) => object][] = [
  [CHAT, 'max_tokens', L.outputTokens, (max_tokens) => ({ max_tokens })],
  [CHAT, 'max_completion_tokens', L.outputTokens, (max_completion_tokens) => ({ max_completion_tokens })],
  [CHAT, 'n', L.choices, (n) => ({ n })],
  [CHAT, 'top_logprobs', L.logprobs, (top_logprobs) => ({ logprobs: true, top_logprobs })],
  [CHAT, 'messages', L.messages, (count) => ({ messages: many(count, message) })],
  [
    CHAT,
    'tools',
    L.tools,
    (count) => ({ tools: many(count, { type: 'function', function: { name: 'f' } }) }),
  ],
  [CHAT, 'functions', L.tools, (count) => ({ functions: many(count, { name: 'f' }) })],
  [CHAT, 'stop', L.stops, (count) => ({ stop: many(count, 's') })],
  [
    CHAT,
    'tools[0].function.parameters',
    L.schemaDepth,
    (depth) => ({ tools: [{ type: 'function', function: { name: 'f', parameters: nested(depth) } }] }),
  ],
  [
    CHAT,
    'response_format.json_schema.schema',
    L.schemaBytes,
    (octets) => ({
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: wide(octets) } },
    }),
  ],
  [
    CHAT,
    'messages[0].content[64]',
    L.mediaParts,
    (count) => ({ messages: [{ role: 'user', content: many(count, image) }] }),
  ],
  [COMPLETIONS, 'max_tokens', L.outputTokens, (max_tokens) => ({ max_tokens })],
  [COMPLETIONS, 'n', L.choices, (n) => ({ n })],
  [COMPLETIONS, 'best_of', L.bestOf, (best_of) => ({ best_of })],
  [COMPLETIONS, 'logprobs', L.logprobs, (logprobs) => ({ logprobs })],
  [COMPLETIONS, 'prompt', L.prompts, (count) => ({ prompt: many(count, 'x') })],
  [COMPLETIONS, 'stop', L.stops, (count) => ({ stop: many(count, 's') })],
  [EMBEDDINGS, 'input', L.embeddingInputs, (count) => ({ input: many(count, 'x') })],
  [
    RESPONSES,
    'max_output_tokens',
    L.outputTokens,
    (max_output_tokens) => ({ input: 'x', max_output_tokens }),
  ],
  [RESPONSES, 'top_logprobs', L.logprobs, (top_logprobs) => ({ input: 'x', top_logprobs })],
  [RESPONSES, 'input', L.messages, (count) => ({ input: many(count, message) })],
  [
    RESPONSES,
    'tools',
    L.tools,
    (count) => ({ input: 'x', tools: many(count, { type: 'function', name: 'f' }) }),
  ],
  [
    RESPONSES,
    'tools[0].parameters',
    L.schemaBytes,
    (octets) => ({ input: 'x', tools: [{ type: 'function', name: 'f', parameters: wide(octets) }] }),
  ],
  [
    RESPONSES,
    'text.format.schema',
    L.schemaDepth,
    (depth) => ({ input: 'x', text: { format: { type: 'json_schema', name: 'n', schema: nested(depth) } } }),
  ],
  [MESSAGES, 'max_tokens', L.outputTokens, (max_tokens) => ({ max_tokens, messages: [message] })],
  [MESSAGES, 'messages', L.messages, (count) => ({ max_tokens: 1, messages: many(count, message) })],
  [
    MESSAGES,
    'tools',
    L.tools,
    (count) => ({ max_tokens: 1, messages: [message], tools: many(count, { name: 'f', input_schema: {} }) }),
  ],
  [
    MESSAGES,
    'stop_sequences',
    L.stops,
    (count) => ({ max_tokens: 1, messages: [message], stop_sequences: many(count, 's') }),
  ],
  [
    MESSAGES,
    'tools[0].input_schema',
    L.schemaDepth,
    (depth) => ({ max_tokens: 1, messages: [message], tools: [{ name: 'f', input_schema: nested(depth) }] }),
  ],
];

describe('a limit', () => {
  test.each(CASES)('%s: %s', (path, param, most, request) => {
    expect(refusalOf(() => translate(path, request(most)))).toBeUndefined();
    expect(refusalOf(() => translate(path, request(most + 1)))).toEqual({ code: 'limit_exceeded', param });
    try {
      translate(path, request(most + 1));
    } catch (error) {
      expect((error as Error).message).toContain(String(most));
    }
  });

  test('of the body is in values, too', () => {
    const values = (count: number) => `{"a":[${'1,'.repeat(count - 3)}1]}`;
    expect(refusalOf(() => translate(CHAT, values(L.jsonValues)))).toBeUndefined();
    expect(refusalOf(() => translate(CHAT, values(L.jsonValues + 1)))).toEqual({
      code: 'limit_exceeded',
      param: 'body',
    });
  });

  test('of long numbers is where they have to be kept, and nowhere else', () => {
    const wide = (count: number) =>
      `{"max_tokens":1,"messages":[{"role":"user","content":"x"}],"a":[${'1e9,'.repeat(count - 1)}1e9]}`;
    expect(refusalOf(() => translate(MESSAGES, wide(L.wideNumbers)))).toBeUndefined();
    expect(refusalOf(() => translate(MESSAGES, wide(L.wideNumbers + 1)))).toMatchObject({
      code: 'limit_exceeded',
    });
    expect(refusalOf(() => translate(CHAT, wide(L.wideNumbers + 1)))).toBeUndefined();
  });

  test('of the body is in octets and in depth', () => {
    const padded = (octets: number) => `{"a":"${'x'.repeat(octets - 8)}"}`;
    expect(refusalOf(() => translate(CHAT, padded(L.bodyBytes)))).toBeUndefined();
    expect(refusalOf(() => translate(CHAT, padded(L.bodyBytes + 1)))).toEqual({
      code: 'limit_exceeded',
      param: 'body',
    });
    const deep = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
    expect(refusalOf(() => translate(CHAT, deep(L.jsonDepth)))).toBeUndefined();
    expect(refusalOf(() => translate(CHAT, deep(L.jsonDepth + 1)))).toMatchObject({ code: 'limit_exceeded' });
    expect(refusalOf(() => translate(CHAT, deep(2_000_000)))).toMatchObject({ code: 'limit_exceeded' });
  });

  test.each([
    ['a number in text', { max_tokens: '999999999' }, 'max_tokens'],
    ['a number in a list', { n: [99] }, 'n'],
    ['a number in an object', { best_of: {} }, 'best_of'],
  ])('is not passed by %s', (_, body, param) => {
    expect(refusalOf(() => translate(CHAT, body))).toEqual({ code: 'invalid_request', param });
  });

  test('is not passed by a second member of the same name, however it is spelled', () => {
    for (const body of [
      '{"n":1,"n":99}',
      '{"n":1,"\\u006e":99}',
      '{"messages":[{"role":"user","role":"system"}]}',
    ])
      expect(refusalOf(() => translate(CHAT, body))).toEqual({ code: 'invalid_request', param: 'body' });
  });
});

describe('a body that cannot be read in one way', () => {
  test.each([[''], ['[]'], ['null'], ['{'], ['{"a":1}x'], ['\u{feff}{}']])('%j is refused', (body) => {
    expect(refusalOf(() => translate(CHAT, body))).toEqual({ code: 'invalid_request', param: 'body' });
  });
});

describe('media', () => {
  const ask = (part: object) => translate(CHAT, { messages: [{ role: 'user', content: [part] }] });
  test.each([
    [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }],
    [{ type: 'image_url', image_url: 'http://169.254.169.254/' }],
    [{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }],
    [{ type: 'image_url', image_url: { url: ' data:image/png;base64,' } }],
    [{ type: 'video_url', video_url: { url: 'https://example.com' } }],
    [{ type: 'audio_url', audio_url: { url: 'https://example.com' } }],
    [{ type: 'file', file: { file_id: 'file-1' } }],
    [{ image_url: 'https://example.com' }],
  ])('%j is refused', (part) => {
    expect(refusalOf(() => ask(part))).toMatchObject({ code: 'media_not_inline' });
  });

  test('inside the request passes, and so does what only looks like a medium', () => {
    expect(
      refusalOf(() => ask({ type: 'image_url', image_url: { url: 'DATA:image/png;base64,AA' } })),
    ).toBeUndefined();
    expect(
      refusalOf(() => ask({ type: 'input_audio', input_audio: { data: 'AA', format: 'wav' } })),
    ).toBeUndefined();
    const use = { type: 'tool_use', id: 'a', name: 'fetch', input: { url: 'https://example.com' } };
    const body = { max_tokens: 1, messages: [{ role: 'assistant', content: [use] }] };
    expect(refusalOf(() => translate(MESSAGES, body))).toBeUndefined();
  });
});

describe('a feature', () => {
  const USES: Readonly<Record<(typeof FEATURES)[number], object>> = {
    streaming: { stream: true },
    tools: { tools: [{ type: 'function', function: { name: 'f' } }] },
    'json-schema': { response_format: { type: 'json_object' } },
    logprobs: { logprobs: true },
    images: { messages: [{ role: 'user', content: [image] }] },
  };
  test.each(FEATURES)('%s is served exactly when the surface has it', (feature) => {
    const others = FEATURES.filter((other) => other !== feature);
    expect(
      refusalOf(() => translate(CHAT, USES[feature], fixedOffer({ features: [feature] }))),
    ).toBeUndefined();
    expect(refusalOf(() => translate(CHAT, USES[feature], fixedOffer({ features: others })))).toMatchObject({
      code: 'feature_not_offered',
    });
  });

  test('cannot be had through another dialect', () => {
    const offer = fixedOffer({ features: [] });
    const tool = { type: 'function', name: 'f' };
    for (const [path, body] of [
      [RESPONSES, { input: 'x', stream: true }],
      [RESPONSES, { input: 'x', tools: [tool] }],
      [MESSAGES, { max_tokens: 1, messages: [message], stream: true }],
      [COMPLETIONS, { prompt: 'x', logprobs: 1 }],
    ] as const)
      expect(refusalOf(() => translate(path, body, offer))).toMatchObject({ code: 'feature_not_offered' });
  });
});
