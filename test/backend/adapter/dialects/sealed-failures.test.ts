// Failures in every dialect, through the real seal and the cadence: what a client reads last, and that hostile input meets refusals only.

import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { ChatSteps } from '../../../../backend/adapter/dialects/chat-steps.ts';
import { DEFAULT_PADDING } from '../../../../backend/adapter/padding-policy.ts';
import { Refusal } from '../../../../backend/adapter/refusal.ts';
import { EngineError } from '../../../../backend/engine/engine-error.ts';
import { toUtf8 } from '../../../../shared/bytes/utf8.ts';
import type { GatewayKey } from '../../../../shared/sealing/gateway-key.ts';
import { VirtualClock } from '../../../bench/length-hiding/virtual-clock.ts';
import { quickKey } from '../../../shared/sealing/harness/exchanges.ts';
import { type EngineScript, exchange } from '../answer-exchange.ts';
import { withoutComments } from '../read-events.ts';
import { chunks, parseEvents, translate } from './scripted-chat.ts';

const PATHS = ['/v1/chat/completions', '/v1/responses', '/v1/messages'] as const;
const ASK = {
  model: 't',
  input: 'x',
  max_tokens: 9,
  stream: true,
  messages: [{ role: 'user', content: 'x' }],
};

let key: GatewayKey;
beforeAll(async () => {
  key = await quickKey();
});

const run = (path: string, script: EngineScript, body: object = ASK, padding = true) =>
  exchange(key, script, padding ? DEFAULT_PADDING : undefined, new VirtualClock(), {
    route: `POST ${path}`,
    inner: { path, body: toUtf8(JSON.stringify(body)) },
  });
const text = (octets: Uint8Array) => withoutComments(new TextDecoder().decode(octets));
const BEGUN = chunks([{ content: 'Hi' }])
  .split('data: {"id":"chatcmpl-1"')
  .slice(0, 3)
  .join('data: {"id":"chatcmpl-1"');

describe.each([true, false])('an engine that dies in the middle of a stream (padded: %s)', (padding) => {
  const dies = new EngineError('engine_crashed', 'x');
  const last = async (path: string) => {
    const got = await run(path, { pieces: [{ after: 1, octets: toUtf8(BEGUN) }], dies }, ASK, padding);
    expect(got.error).toBeUndefined();
    expect(got.outcome.outcome).toBe('engine_failed');
    return text(got.body);
  };

  test('is the last event of a chat', async () => {
    const lines = (await last('/v1/chat/completions')).trim().split('\n\n');
    expect(lines.at(-1)).toMatch(/^data: {"error":{.*"engine_crashed"/);
  });

  test('is response.failed, with what there was', async () => {
    expect(parseEvents(await last('/v1/responses')).at(-1)).toMatchObject({
      event: 'response.failed',
      data: { response: { status: 'failed', output: [{ content: [{ text: 'Hi' }] }] } },
    });
  });

  test('is Anthropic’s error event', async () => {
    expect(parseEvents(await last('/v1/messages')).at(-1)).toMatchObject({
      event: 'error',
      data: { type: 'error', error: { type: 'api_error', code: 'engine_crashed' } },
    });
  });
});

describe('an engine that answers nonsense', () => {
  test.each(['/v1/responses', '/v1/messages'])(
    'whole, is an error of status 500 in the shape of %s',
    async (path) => {
      const script = { contentType: 'application/json', pieces: [{ after: 1, octets: toUtf8('nonsense') }] };
      const got = await run(path, script, { ...ASK, stream: false });
      expect(got.status).toBe(500);
      const body = JSON.parse(text(got.body).trim()) as Record<string, unknown>;
      expect(body).toMatchObject({ error: { code: 'engine_crashed' } });
      expect(body.type).toBe(path === '/v1/messages' ? 'error' : undefined);
    },
  );
});

describe('a refusal', () => {
  test.each(PATHS)('on %s is sealed, names the member, and the engine hears nothing', async (path) => {
    const most = path === '/v1/responses' ? 'max_output_tokens' : 'max_tokens';
    let asked = false;
    const script: EngineScript = {
      get pieces() {
        asked = true;
        return [];
      },
    };
    const got = await run(path, script, { ...ASK, [most]: 10_000_000 });
    expect(got.status).toBe(400);
    expect(JSON.parse(text(got.body))).toMatchObject({ error: { code: 'limit_exceeded', param: most } });
    expect(asked).toBe(false);
  });
});

describe('whatever comes', () => {
  const word = fc.constantFrom(
    ...'model input messages tools content role type text name system stop tool_choice image_url url source'.split(
      ' ',
    ),
    ...'function parameters format schema arguments call_id output tool_use_id user assistant tool_use'.split(
      ' ',
    ),
    ...'tool_result function_call message json_schema __proto__ toString max_tokens include reasoning'.split(
      ' ',
    ),
  );
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { maxDepth: 6 },
      word,
      fc.constantFrom<unknown>(null, true, 0, -1, 1e300, ''),
      fc.array(tie('json'), { maxLength: 3 }),
      fc.dictionary(word, tie('json'), { maxKeys: 5 }),
    ),
  }));
  const body = fc
    .tuple(fc.constantFrom({}, ASK), fc.dictionary(word, json, { maxKeys: 6 }))
    .map(([a, b]) => ({ ...a, ...b }));

  test('a client is refused or understood: there is no third', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PATHS), body, (path, request) => {
        try {
          JSON.parse(new TextDecoder().decode(translate(path, request).request.body));
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('an engine is understood or fails: there is no third', () => {
    const known = fc.record(
      {
        model: json,
        usage: json,
        choices: fc.array(
          fc.record(
            {
              index: json,
              finish_reason: json,
              delta: fc.dictionary(fc.constantFrom('content', 'tool_calls', 'reasoning'), json),
            },
            { requiredKeys: [] },
          ),
        ),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(json, known)), (values) => {
        try {
          const steps = new ChatSteps(() => 'call');
          for (const value of values) steps.push(JSON.stringify(value));
          steps.finish();
        } catch (error) {
          expect(error).toBeInstanceOf(EngineError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
