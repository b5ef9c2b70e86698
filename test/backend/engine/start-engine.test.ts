// The engine in its sandbox, from start to stop, on the tiny model.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../backend/engine/engine.ts';
import { defaultThreads, type EngineSetup, startEngine } from '../../../backend/engine/start-engine.ts';
import { writeRandomModel } from '../../harness/random-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'start-'));
const path = join(folder, 'tiny.gguf');
let setup: EngineSetup;

beforeAll(() => {
  writeRandomModel(path);
  const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
  setup = {
    driver: 'landlock',
    model: { id: 'tiny', path, sha256 },
    threads: 1,
    runFolder: mkdtempSync(join(folder, 'run-')),
    random: (length) => new Uint8Array(randomBytes(length)),
  };
});
afterAll(() => rmSync(folder, { recursive: true }));

const chat = (engine: Engine, body: object) =>
  engine.request({
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { 'content-type': 'application/json' },
    body: new TextEncoder().encode(
      JSON.stringify({
        model: 'tiny',
        messages: [{ role: 'user', content: 'Hello' }],
        max_tokens: 8,
        ...body,
      }),
    ),
  });

describe('an engine in its sandbox', () => {
  it('is probed, loads, answers, and is gone when stopped', async () => {
    const progress: number[] = [];
    const engine = await startEngine({ ...setup, onProgress: (share) => progress.push(share) });
    expect(engine.driver).toBe('landlock');
    expect(engine.probe.verdict).toBe('isolated');
    expect(engine.probeDigest.length).toBe(32);
    expect(progress.at(-1)).toBe(1);
    expect(await engine.health()).toMatchObject({ status: 'ready', busy: 0, total: 2 });
    const answer = await chat(engine, {});
    expect(answer.status).toBe(200);
    expect(await new Response(answer.body).json()).toMatchObject({ usage: { completion_tokens: 8 } });
    await engine.stop();
    await engine.stop();
    await engine.exited;
    await expect(chat(engine, {})).rejects.toMatchObject({ code: 'engine_unavailable' });
  });

  it('fails the request that it was answering when it is killed, and says that it ended', async () => {
    const engine = await startEngine(setup);
    const answer = await chat(engine, { max_tokens: 1900, stream: true });
    const cut = expect(new Response(answer.body).text()).rejects.toMatchObject({ code: 'engine_crashed' });
    process.kill(engine.pid, 'SIGKILL');
    await cut;
    expect((await engine.exited).signal).toBe('SIGKILL');
    await engine.stop();
  });
});

describe('an engine that is not started', () => {
  const start = (model: Partial<EngineSetup['model']>, more: Partial<EngineSetup> = {}) =>
    startEngine({ ...setup, ...more, model: { ...setup.model, ...model } });

  it('because the model is another or is not there', async () => {
    await expect(start({ sha256: '0'.repeat(64) })).rejects.toMatchObject({ code: 'engine_model_mismatch' });
    await expect(start({ path: join(folder, 'none') })).rejects.toMatchObject({
      code: 'engine_model_missing',
    });
  });

  it('because the model cannot be loaded', async () => {
    const broken = join(folder, 'broken.gguf');
    writeFileSync(broken, 'GGUF');
    const sha256 = createHash('sha256').update('GGUF').digest('hex');
    await expect(start({ path: broken, sha256 })).rejects.toMatchObject({
      code: 'engine_start_failed',
      message: 'The engine ended with code 65.',
    });
  });

  it('in time', async () => {
    await expect(start({}, { startMilliseconds: 1 })).rejects.toMatchObject({ code: 'engine_start_timeout' });
  });
});

it('leaves one processor free, but takes one at least', () => {
  expect(defaultThreads()).toBeGreaterThanOrEqual(1);
});
