// The openai package over the sealed fetch: its own retries must never become a second generation.

import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { connect, FakeEdge, json, loseAnswer, refuse, slowAnswer, startNode } from './harness/in-process.ts';

const COMPLETION = {
  id: 'c',
  object: 'chat.completion',
  choices: [{ index: 0, message: { content: 'hi' } }],
};

async function start(options: { timeout?: number; maxRetries?: number } = {}) {
  const edge = new FakeEdge();
  const node = await startNode({ answer: () => json(COMPLETION) });
  await edge.register(node);
  const cloister = await connect(edge);
  const openai = new OpenAI({
    baseURL: cloister.baseURL,
    apiKey: 'unused',
    fetch: cloister.fetch,
    ...options,
  });
  const ask = (headers: Record<string, string> = {}) =>
    openai.chat.completions.create(
      { model: 'tiny', messages: [{ role: 'user', content: 'x' }] },
      { headers },
    );
  return { edge, node, ask };
}

const codeOf = (error: unknown) => (error as { code?: string }).code;

describe('the openai package', () => {
  test('gets its answer through lost connections, in one generation', async () => {
    const { edge, node, ask } = await start();
    edge.faults.push(refuse('node_unreachable'), refuse('node_timeout'));
    expect((await ask()).choices[0]?.message.content).toBe('hi');
    expect(node.requests).toHaveLength(1);
  });

  test('does not ask again for what was answered and lost', async () => {
    const { edge, node, ask } = await start();
    edge.faults.push(loseAnswer);
    const error = await ask().catch((reason: unknown) => reason);
    expect([codeOf(error), (error as { status?: number }).status]).toEqual(['already_answered', 409]);
    expect(node.requests).toHaveLength(1);
    expect(edge.posts).toBe(2);
  });

  test('that gave up waiting asks again under the same key, and is answered once', async () => {
    const { node, ask } = await start({ timeout: 400, maxRetries: 3 });
    const slow = slowAnswer();
    node.answer = slow.answer;
    const asking = ask();
    await slow.began;
    node.answer = () => json(COMPLETION);
    // Its time-out cancels the generation before the first word, so the retry may run.
    expect((await asking).choices[0]?.message.content).toBe('hi');
    expect(node.requests).toHaveLength(2);
    expect(node.requests[0]?.signal?.aborted).toBe(true);
  });

  test('whose own key is in use waits as it is told, and then hears that it was answered', async () => {
    const { node, ask } = await start({ maxRetries: 3 });
    const slow = slowAnswer();
    node.answer = slow.answer;
    const first = ask({ 'Idempotency-Key': 'mine' });
    await slow.began;
    const second = ask({ 'Idempotency-Key': 'mine' }).catch((reason: unknown) => reason);
    await new Promise((resolve) => setTimeout(resolve, 200));
    slow.finish();
    expect(await first).toEqual({ slow: true });
    expect(codeOf(await second)).toBe('already_answered');
    expect(node.requests).toHaveLength(1);
  });
});
