// The real engine under supervision, in the real sandbox: killed in the middle of an answer, out of memory, left by its caller, drained.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../../backend/engine/engine.ts';
import type { EngineService } from '../../../../backend/engine/engine-service.ts';
import { startEnginePool } from '../../../../backend/engine/isolation/engine-pool.ts';
import { startEngine } from '../../../../backend/engine/start-engine.ts';
import { superviseEngine } from '../../../../backend/engine/supervisor/supervise-engine.ts';
import { writeRandomModel } from '../../../harness/random-model.ts';
import { echoProgram } from '../sandbox/echo-engine.ts';
import { hasLandlock, needsLandlock } from '../sandbox/machine.ts';
import { startProgram, superviseHere } from '../start-program.ts';

const folder = mkdtempSync(join(tmpdir(), 'supervise-'));
const path = join(folder, 'tiny.gguf');
let sha256 = '';
/** The engine that runs, past the supervision. */
let latest: Engine | undefined;

const random = (octets: number) => new Uint8Array(randomBytes(octets));

function superviseLlama() {
  return superviseHere(async (place) => {
    latest = await startEngine({
      driver: 'landlock',
      model: { id: 'tiny', path, sha256 },
      threads: 1,
      sequences: 2,
      random,
      ...place,
    });
    return latest;
  });
}

function chat(to: EngineService, body: object, signal?: AbortSignal) {
  const messages = [{ role: 'user', content: 'Hello' }];
  return to.request({
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { 'content-type': 'application/json' },
    body: new TextEncoder().encode(JSON.stringify({ model: 'tiny', messages, max_tokens: 8, ...body })),
    tenant: { session: 'a'.repeat(43) },
    ...(signal !== undefined && { signal }),
  });
}

async function until(isSo: () => boolean | Promise<boolean>, milliseconds: number): Promise<number> {
  const started = performance.now();
  while (!(await isSo())) {
    if (performance.now() - started > milliseconds) throw new Error(`not in ${milliseconds} ms`);
    await sleep(5);
  }
  return performance.now() - started;
}

const LONG = { max_tokens: 1900, stream: true, temperature: 0 };

// One service for all, in this order: a start is what takes time.
describe.skipIf(!hasLandlock)(`the real engine${needsLandlock}`, { timeout: 60_000 }, () => {
  let here: ReturnType<typeof superviseLlama>;
  let service: EngineService;
  beforeAll(async () => {
    writeRandomModel(path);
    sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
    here = superviseLlama();
    service = await superviseEngine(here.supervision);
  }, 60_000);
  afterAll(async () => {
    await service?.stop();
    here?.remove();
    rmSync(folder, { recursive: true });
  });

  it('stops within a second for a caller that left', async () => {
    const busy = async () => (await latest?.health())?.busy ?? -1;
    // read in steps, and then answered at length
    const longPrompt = [{ role: 'user', content: 'w300 '.repeat(200) }];
    for (const body of [LONG, LONG, { ...LONG, max_tokens: 900, messages: longPrompt }]) {
      const gone = new AbortController();
      const asked = chat(service, body, gone.signal).then(
        (answer) => new Response(answer.body).text().catch(() => 'cut'),
        () => 'refused',
      );
      await until(async () => (await busy()) === 1, 10_000);
      gone.abort();
      expect(await until(async () => (await busy()) === 0, 5000)).toBeLessThan(1000);
      expect(['cut', 'refused']).toContain(await asked);
    }
    const next = await chat(service, {});
    expect(await new Response(next.body).json()).toMatchObject({ usage: { completion_tokens: 8 } });
  });

  it('killed in the middle of a stream fails that stream and is there again', async () => {
    const before = service.probeDigest;
    const reader = (await chat(service, LONG)).body.getReader();
    expect((await reader.read()).done).toBe(false);
    const [pid = 0] = service.pids;
    process.kill(pid, 'SIGKILL');
    const cut = (async () => {
      while (!(await reader.read()).done);
    })();
    await expect(cut).rejects.toMatchObject({ code: 'engine_crashed' });
    await until(() => !service.isAccepting, 1000);
    await expect(chat(service, {})).rejects.toMatchObject({ code: 'engine_unavailable' });
    await until(() => service.isAccepting, 30_000);
    expect(service.pids).not.toEqual([pid]);
    expect(service.probeDigest).toBe(before);
    const answer = await chat(service, {});
    expect(await new Response(answer.body).json()).toMatchObject({ usage: { completion_tokens: 8 } });
    expect(here.events.map(({ event }) => event)).toEqual([
      'engine_exited',
      'engine_restarting',
      'engine_restarted',
    ]);
  });

  it('lets a running answer end while it drains, and refuses the next', async () => {
    const running = await chat(service, { max_tokens: 300, stream: true });
    const drained = service.drain(30_000);
    await expect(chat(service, {})).rejects.toMatchObject({ code: 'engine_unavailable' });
    expect(await new Response(running.body).text()).toContain('[DONE]');
    expect(await drained).toBe(0);
  });

  it('is not started again when its model’s file has changed', async () => {
    sha256 = '0'.repeat(64);
    process.kill(service.pids[0] ?? 0, 'SIGKILL');
    expect(await service.ended).toBe('engine_model_changed');
  });
});

describe.skipIf(!hasLandlock)(`an engine that allocates without end${needsLandlock}`, () => {
  it('ends alone: neither the adapter nor another tenant’s engine notices', { timeout: 60_000 }, async () => {
    const program = echoProgram();
    const limits = { ...program.limits, memoryBytes: 768 << 20 };
    const here = superviseHere((place) => startProgram('landlock', { ...program, limits }, place));
    // the echo engine's /health says nothing about health
    const supervision = { ...here.supervision, health: { everyMilliseconds: 3_600_000, misses: 1 } };
    const policy = { by: 'session', spares: 0, engines: 2, idleMilliseconds: 60_000, queue: 4 } as const;
    const service = await startEnginePool(policy, supervision);
    const ask = async (session: string, text: string) => {
      const body = new TextEncoder().encode(text);
      const answer = await service.request({
        method: 'POST',
        path: '/',
        headers: {},
        body,
        tenant: { session },
      });
      return JSON.parse(await new Response(answer.body).text()) as { readonly pid: number };
    };
    try {
      const { pid } = await ask('b', 'hello');
      const before = process.memoryUsage.rss();
      await expect(ask('a', 'grow')).rejects.toMatchObject({ code: 'engine_crashed' });
      expect(process.memoryUsage.rss() - before).toBeLessThan(64 << 20);
      expect((await ask('b', 'hello')).pid).toBe(pid);
      await until(() => here.events.some(({ event }) => event === 'engine_exited'), 2000);
      // the tenant's next request finds an engine again
      expect((await ask('a', 'hello')).pid).not.toBe(pid);
    } finally {
      await service.stop();
      here.remove();
    }
  });
});
