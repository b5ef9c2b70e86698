// The journey of a prompt through the real runtimes: client in Node, edge in workerd, two node processes with sandboxed engines.

import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister } from '../../shared/client/create-cloister.ts';
import type { DirectoryListing } from '../../shared/wire/directory-listing.ts';
import {
  MODEL,
  type SystemNode,
  startWholeSystem,
  until,
  type WholeSystem,
} from '../harness/whole-system.ts';

let system: WholeSystem;
beforeAll(async () => {
  system = await startWholeSystem();
}, 60_000);
afterAll(() => system?.stop());

const sdk = (cloister: Cloister) =>
  new OpenAI({ baseURL: cloister.baseURL, apiKey: 'unused', fetch: cloister.fetch, maxRetries: 0 });
const messages = [{ role: 'user' as const, content: 'Say anything.' }];

/** What the engine of a node says about itself, over its own socket. */
function engineHealth(index: number): Promise<{ busy: number }> {
  return new Promise((resolve, reject) => {
    const socketPath = join(system.folder, `node-${index}`, 'e0', 'engine.sock');
    httpRequest({ socketPath, path: '/health' }, async (response) => {
      let text = '';
      for await (const piece of response) text += piece;
      resolve(JSON.parse(text) as { busy: number });
    })
      .on('error', reject)
      .end();
  });
}

const outcomes = (node: SystemNode | undefined) =>
  node?.events.filter(({ event }) => event === 'request_answered').map(({ outcome }) => outcome) ?? [];

describe('fresh evidence', () => {
  test('answers a nonce of this client, through the edge, and the rule of two is run', async () => {
    const { steps, key } = await system.client({ freshness: 'nonce' }).verify();
    const passed = steps.filter(({ result }) => result === 'pass').map(({ name }) => name);
    expect(passed).toContain('freshness.nonce');
    for (const name of ['result.signature', 'result.validity', 'result.subject', 'result.status'])
      expect(passed).toContain(name);
    expect(key.notAfter.getTime() - Date.now()).toBeLessThanOrEqual(15 * 60_000);
  });
});

describe('two nodes', () => {
  test('are listed because they registered themselves: the edge was configured with no address', async () => {
    const listing = (await (await fetch(`${system.origin}/directory/nodes`)).json()) as DirectoryListing;
    expect(listing.nodes.map(({ node }) => node).sort()).toEqual(system.nodes.map(({ id }) => id).sort());
  });

  test('both serve: clients spread over them, and each verifies the one that it uses', async () => {
    const used = new Set<string | undefined>();
    for (let tries = 0; used.size < 2 && tries < 40; tries++) {
      const cloister = system.client();
      await sdk(cloister).models.list();
      used.add(cloister.node?.key.node);
    }
    expect([...used].sort()).toEqual(system.nodes.map(({ id }) => id).sort());
    for (const { hop } of system.nodes) expect(hop.count('POST')).toBeGreaterThan(0);
  });
});

describe('the openai package, given cloister.fetch', () => {
  test('streams a chat completion with usage and a finish reason', async () => {
    const stream = await sdk(system.client()).chat.completions.create({
      model: MODEL,
      messages,
      max_tokens: 12,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let pieces = 0;
    const finishes: string[] = [];
    let usage: OpenAI.CompletionUsage | undefined;
    for await (const event of stream) {
      const [choice] = event.choices;
      text += choice?.delta.content ?? '';
      if (choice?.delta.content) pieces++;
      if (choice?.finish_reason) finishes.push(choice.finish_reason);
      usage = event.usage ?? usage;
    }
    expect(text).toMatch(/w\d+/);
    expect(pieces).toBeGreaterThan(1);
    expect(finishes).toEqual(['length']);
    expect(usage?.completion_tokens).toBe(12);
    expect(usage?.prompt_tokens).toBeGreaterThan(5);
    expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? 0) + 12);
  });

  test('gets the same answer whole, on both nodes', async () => {
    const answers = await Promise.all(
      system.nodes.map((node) =>
        sdk(system.clientOf(node)).chat.completions.create({
          model: MODEL,
          messages,
          max_tokens: 12,
          temperature: 0,
          seed: 7,
        }),
      ),
    );
    const [first, second] = answers.map(({ choices }) => choices[0]?.message.content);
    expect(first).toMatch(/w\d+/);
    expect(second).toBe(first);
    expect(answers[0]?.choices[0]?.finish_reason).toBe('length');
    expect(answers[0]?.usage).toEqual(answers[1]?.usage);
    expect(answers[0]?.usage?.completion_tokens).toBe(12);
  });

  test('finishes with stop when the answer is complete, here forced by a schema', async () => {
    const answer = await sdk(system.client()).chat.completions.create({
      model: MODEL,
      messages,
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'word', schema: { type: 'object', properties: { word: { const: 'yes' } } } },
      },
    });
    expect(JSON.parse(answer.choices[0]?.message.content ?? '')).toEqual({ word: 'yes' });
    expect(answer.choices[0]?.finish_reason).toBe('stop');
  });

  test('lists the models that the verified node itself offers', async () => {
    const models = await sdk(system.client()).models.list();
    expect(models.data.map(({ id }) => id)).toEqual([MODEL]);
  });

  test('gets the engine’s own refusal through the seal: another model is not there', async () => {
    const asked = sdk(system.client()).chat.completions.create({ model: 'another', messages });
    await expect(asked).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });

  test('that aborts ends the generation within a second', async () => {
    const [node] = system.nodes;
    const stream = await sdk(system.clientOf(node)).chat.completions.create({
      model: MODEL,
      messages,
      max_tokens: 1900,
      stream: true,
    });
    for await (const event of stream) if (event.choices[0]?.delta.content) break;
    const aborted = performance.now();
    stream.controller.abort();
    await until(() => outcomes(node).includes('client_gone'), 1_000);
    await until(async () => (await engineHealth(0)).busy === 0, 1_000);
    expect(performance.now() - aborted).toBeLessThan(1_000);
  });
});
