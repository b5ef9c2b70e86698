// The real model, where it was fetched before: that it speaks, knows its template, and ends by itself.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_MODEL } from '../../../backend/engine/weights/model-catalogue.ts';
import { joinChunks, post, readEvents } from './contract/ask-engine.ts';
import { type RunningServer, runLlamaServer } from './run-llama-server.ts';

const path = fileURLToPath(new URL(`../../../.cloister/models/${DEFAULT_MODEL.file}`, import.meta.url));
const here = existsSync(path);

describe.skipIf(!here)(
  `the real model${here ? '' : ' (skipped: it is not in the cache, npm start fetches it)'}`,
  () => {
    let server: RunningServer;
    beforeAll(async () => {
      const { temperature, topP } = DEFAULT_MODEL.sampling;
      const sampling = ['--temperature', String(temperature), '--top-p', String(topP)];
      server = await runLlamaServer([
        '--model',
        path,
        '--model-id',
        DEFAULT_MODEL.id,
        '--threads',
        '1',
        ...sampling,
      ]);
    });
    afterAll(async () => server?.stop());

    const ask = async (content: string, more: object = {}) => {
      const messages = [{ role: 'user', content }];
      const { text } = await server.chat({
        model: DEFAULT_MODEL.id,
        messages,
        seed: 1,
        max_tokens: 60,
        ...more,
      });
      return JSON.parse(text);
    };

    it('speaks English and stops by itself', async () => {
      const { choices } = await ask('What is the capital of France?');
      expect(choices[0].message.content).toMatch(/Paris/);
      expect(choices[0].finish_reason).toBe('stop');
    });

    it('is told who it is by its own template', async () => {
      const { usage } = await ask('Hi', { max_tokens: 1 });
      // The template's own system message is in it: without it these would be about ten.
      expect(usage.prompt_tokens).toBe(31);
    });

    it('notices within seconds that nobody waits, even while it reads a long prompt', async () => {
      const gone = new AbortController();
      const messages = [{ role: 'user', content: 'The sea is wide and blue. '.repeat(230) }];
      const lost = expect(
        server.chat({ model: DEFAULT_MODEL.id, messages }, gone.signal),
      ).rejects.toMatchObject({
        code: 'engine_aborted',
      });
      await server.untilCounts(1, 0);
      const started = performance.now();
      gone.abort();
      await lost;
      await server.untilCounts(0, 0);
      // One step of 64 tokens: 0.7 s on a quiet core. All of it would be 20 s.
      expect(performance.now() - started).toBeLessThan(5000);
    });

    it('answers in the form of a schema', async () => {
      const schema = {
        type: 'object',
        properties: { city: { type: 'string', maxLength: 20 } },
        required: ['city'],
      };
      const response_format = { type: 'json_schema', json_schema: { name: 'city', strict: true, schema } };
      const { choices } = await ask('Name the capital of France.', { response_format });
      expect(JSON.parse(choices[0].message.content)).toEqual({ city: expect.any(String) });
    });

    it('calls a tool by itself where it has seen how, streamed as it comes', async () => {
      const call = (city: string) => ({
        id: city,
        type: 'function',
        function: { name: 'get_weather', arguments: JSON.stringify({ city }) },
      });
      const seen = ['Rome', 'Oslo', 'Bern'].flatMap((city) => [
        { role: 'user', content: `Weather in ${city}?` },
        { role: 'assistant', content: null, tool_calls: [call(city)] },
        { role: 'tool', tool_call_id: city, content: 'sunny' },
        { role: 'assistant', content: 'It is sunny.' },
      ]);
      const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
      const asked = await post(server.client, '/v1/chat/completions', {
        model: DEFAULT_MODEL.id,
        messages: [...seen, { role: 'user', content: 'Weather in Paris?' }],
        tools: [{ type: 'function', function: { name: 'get_weather', parameters } }],
        parallel_tool_calls: false,
        temperature: 0,
        max_tokens: 40,
        stream: true,
      });
      const { calls, finish } = joinChunks(readEvents(asked));
      expect([calls.length, finish]).toEqual([1, 'tool_calls']);
      expect(calls[0]).toMatchObject({ name: 'get_weather', arguments: '{"city": "Paris"}' });
    }, 90_000);
  },
);
