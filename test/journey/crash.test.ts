// Processes killed in the middle of an answer, behind workerd: what the caller sees is never a finished answer.

import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StreamTruncatedError } from '../../shared/client/cloister-error.ts';
import { GATEWAY_PATH, HEALTH_PATH } from '../../shared/wire/routes.ts';
import {
  MODEL,
  type SystemNode,
  startWholeSystem,
  until,
  type WholeSystem,
} from '../harness/whole-system.ts';

let system: WholeSystem;
beforeAll(async () => {
  system = await startWholeSystem({ nodes: 3 });
}, 60_000);
afterAll(() => system?.stop());

const node = (index: number) => system.nodes[index] as SystemNode;
const sdkOf = (each: SystemNode) => {
  const cloister = system.clientOf(each);
  return new OpenAI({ baseURL: cloister.baseURL, apiKey: 'unused', fetch: cloister.fetch, maxRetries: 0 });
};
/** The response nonce of the default suite, which leaves at once. */
const NONCE_OCTETS = 32;
const LONG = {
  model: MODEL,
  messages: [{ role: 'user' as const, content: 'Go on and on.' }],
  max_tokens: 1900,
};

/** Iterates a streamed answer, kills at its first text, and gives how the iteration ended. */
async function streamUntilKilled(each: SystemNode, kill: () => void) {
  const stream = await sdkOf(each).chat.completions.create({ ...LONG, stream: true });
  let finish: string | null | undefined;
  let texts = 0;
  try {
    for await (const event of stream) {
      if (event.choices[0]?.delta.content && texts++ === 0) kill();
      finish = event.choices[0]?.finish_reason ?? finish;
    }
  } catch (error) {
    return { error, finish, texts };
  }
  return { error: undefined, finish, texts };
}

/**
 * Asks for a whole answer, kills once the client has the first octets of a sealed answer (before that nobody knows whether anything
 * began, and other rules hold), and gives what it rejected with.
 */
async function wholeUntilKilled(each: SystemNode, kill: () => void): Promise<unknown> {
  // connections are kept alive, so a new answer may stand anywhere in what was recorded
  const heads = () => system.front.down.toString('latin1').split('message/ohttp-chunked-res').slice(1);
  const before = heads().length;
  const asked = sdkOf(each).chat.completions.create({ ...LONG, stream: false });
  let over = false;
  const ended = asked
    .then(
      () => undefined,
      (error: unknown) => error,
    )
    .finally(() => {
      over = true;
    });
  await until(() => {
    if (over) return true;
    if (heads().length === before) return false;
    return heads().every((rest) => {
      const body = rest.indexOf('\r\n\r\n');
      return body >= 0 && rest.length > body + 4 + NONCE_OCTETS;
    });
  }, 15_000);
  kill();
  return ended;
}

function* causesOf(error: unknown): Generator<unknown> {
  for (let each = error; each instanceof Error; each = each.cause) yield each;
}

describe('a node that is killed in the middle of an answer', () => {
  test('ends a streamed one with StreamTruncatedError', async () => {
    const { error, finish, texts } = await streamUntilKilled(node(0), () =>
      process.kill(node(0).pid, 'SIGKILL'),
    );
    expect(error).toBeInstanceOf(StreamTruncatedError);
    expect(error).toMatchObject({ code: 'stream_truncated' });
    expect(texts).toBeGreaterThan(0);
    expect(finish).toBeUndefined();
  });

  test('ends a whole one with an error that names StreamTruncatedError as its cause', async () => {
    const error = await wholeUntilKilled(node(1), () => process.kill(node(1).pid, 'SIGKILL'));
    expect(error).toBeInstanceOf(Error);
    expect([...causesOf(error)].some((cause) => cause instanceof StreamTruncatedError)).toBe(true);
  });
});

describe('an engine that is killed in the middle of an answer', () => {
  const restarts = () => node(2).events.filter(({ event }) => event === 'engine_restarted');
  const answerOf = async () => {
    const answer = await sdkOf(node(2)).chat.completions.create({ ...LONG, max_tokens: 4 });
    return answer.choices[0]?.message.content;
  };
  const keysOf = async () =>
    Buffer.from(await (await fetch(`http://127.0.0.1:${node(2).port}${GATEWAY_PATH}`)).arrayBuffer());

  test('ends a streamed one with a sealed error, and its node lives on with its keys', async () => {
    const keys = await keysOf();
    const { error, finish, texts } = await streamUntilKilled(node(2), () =>
      process.kill(node(2).enginePid, 'SIGKILL'),
    );
    expect(error).toMatchObject({ code: 'engine_crashed' });
    expect(texts).toBeGreaterThan(0);
    expect(finish).toBeUndefined();
    await until(() => restarts().length === 1, 15_000);
    expect(await answerOf()).toBeTruthy();
    expect(await keysOf()).toEqual(keys);
    expect(node(2).events).toContainEqual({ event: 'engine_exited', signal: true });
  });

  test('ends a whole one with a sealed error', async () => {
    const error = await wholeUntilKilled(node(2), () =>
      process.kill(Number(restarts().at(-1)?.pid), 'SIGKILL'),
    );
    const codes = [...causesOf(error)].map((cause) => (cause as { code?: unknown }).code);
    expect(codes).toContain('engine_crashed');
    await until(() => restarts().length === 2, 15_000);
    expect(await answerOf()).toBeTruthy();
  });
});

describe('a node that is told to end', () => {
  test('lets a running answer finish, refuses what is new, and is gone', async () => {
    const draining = node(2);
    let told: Promise<number> | undefined;
    const { error, finish } = await streamUntilKilled(draining, () => {
      process.kill(draining.pid, 'SIGTERM');
      told = (async () => {
        await until(() => draining.events.some(({ event }) => event === 'engine_draining'));
        return (await fetch(`http://127.0.0.1:${draining.port}${HEALTH_PATH}`)).status;
      })();
    });
    expect(error).toBeUndefined();
    expect(finish).toMatch(/^(length|stop)$/);
    expect(await told).toBe(503);
    expect(await draining.exited).toBe(0);
    expect(draining.events).toContainEqual({ event: 'engine_drained', unfinished: 0 });
  });
});
