// Whether the time to a first token tells one session what another one asked: it must not, and within one session it does.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CacheSalts } from '../../../../backend/adapter/dialects/cache-salt.ts';
import { ENGINE_TRAITS } from '../../../../backend/adapter/dialects/engine-traits.ts';
import { translateRequest } from '../../../../backend/adapter/dialects/translate-request.ts';
import type { EngineService } from '../../../../backend/engine/engine-service.ts';
import { serveIsolated } from '../../../../backend/engine/isolation/serve-isolated.ts';
import { startEngine } from '../../../../backend/engine/start-engine.ts';
import { writeRandomModel } from '../../../harness/random-model.ts';
import { hasLandlock, needsLandlock } from '../sandbox/machine.ts';
import { random, superviseHere } from '../start-program.ts';
import { rankSumP } from './rank-sum.ts';

/** Of each kind. With ten and ten, samples that do not overlap at all have p = 0.0002. */
const SAMPLES = 10;
const SIGNIFICANT = 0.001;
/** About 900 tokens of the tiny model: five for each word. */
const WORDS = 180;

/** Milliseconds to the first token: of a prompt nobody asked, one that another session asked, one that this session asked. */
interface Times {
  readonly cold: number[];
  readonly other: number[];
  readonly same: number[];
}

class OneSaltForAll extends CacheSalts {
  override saltOf(): string {
    return 'x'.repeat(43);
  }
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

describe.skipIf(!hasLandlock)(`the shared engine’s cache${needsLandlock}`, { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'timing-'));
  const path = join(folder, 'tiny.gguf');
  let service: EngineService;
  let remove = (): void => {};

  beforeAll(async () => {
    writeRandomModel(path);
    const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
    const here = superviseHere((place) =>
      startEngine({
        driver: 'landlock',
        model: { id: 'tiny', path, sha256 },
        threads: 1,
        sequences: 4,
        random,
        ...place,
      }),
    );
    remove = here.remove;
    service = await serveIsolated('shared', here.supervision);
  }, 60_000);
  afterAll(async () => {
    await service?.stop();
    remove();
    rmSync(folder, { recursive: true });
  });

  async function firstToken(salts: CacheSalts, session: string, content: string): Promise<number> {
    const body = { model: 'tiny', messages: [{ role: 'user', content }], max_tokens: 1, stream: true };
    const inner = {
      method: 'POST',
      path: '/v1/chat/completions',
      headers: [
        ['content-type', 'application/json'],
        ['cloister-session', session],
      ] as [string, string][],
      // a client that would choose its cache
      body: new TextEncoder().encode(JSON.stringify({ ...body, cache_salt: 'y'.repeat(43) })),
    };
    const offer = {
      routes: ['POST /v1/chat/completions'],
      features: ['streaming'],
      traits: ENGINE_TRAITS['node-llama-cpp'],
      salts,
      now: () => new Date(),
      random,
    };
    const { request } = translateRequest(inner, offer);
    const started = performance.now();
    const answer = await service.request({ ...request, tenant: { session } });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let first: number | undefined;
    for (let text = ''; ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      text += value;
      if (/"content":"[^"]|"finish_reason":"/.test(text)) first ??= performance.now() - started;
    }
    return first ?? Number.NaN;
  }

  async function measure(salts: CacheSalts): Promise<Times> {
    const newSession = () => randomBytes(32).toString('base64url');
    // as long as each other, and different from the first word on
    const newPrompt = () =>
      Array.from({ length: WORDS }, () => `w${300 + ((randomBytes(1)[0] ?? 0) % 200)}`).join(' ');
    const times: Times = { cold: [], other: [], same: [] };
    for (let sample = 0; sample < SAMPLES; sample++) {
      const [victim, asked] = [newSession(), newPrompt()];
      await firstToken(salts, victim, asked);
      const turns: [keyof Times, string, string][] = [
        ['same', victim, asked],
        ['other', newSession(), asked],
        ['cold', newSession(), newPrompt()],
      ];
      // in another order each time, so that what the machine does meanwhile meets all alike
      for (const [kind, session, prompt] of [...turns.slice(sample % 3), ...turns.slice(0, sample % 3)])
        times[kind].push(await firstToken(salts, session, prompt));
    }
    return times;
  }

  it('is faster for the session that asked, and tells no other session that anybody did', async () => {
    const { cold, other, same } = await measure(new CacheSalts(random));
    expect(rankSumP(same, cold)).toBeLessThan(SIGNIFICANT);
    expect(median(same)).toBeLessThan(0.8 * median(cold));
    expect(rankSumP(other, cold)).toBeGreaterThan(SIGNIFICANT);
    expect(rankSumP(same, other)).toBeLessThan(SIGNIFICANT);
  });

  it('would tell, by the same measurement, with one salt for all', async () => {
    const { cold, other } = await measure(new OneSaltForAll(random));
    expect(rankSumP(other, cold)).toBeLessThan(SIGNIFICANT);
    expect(median(other)).toBeLessThan(0.8 * median(cold));
  });
});

it('is judged by ranks as the tables have them', () => {
  const low = [1, 2, 3, 4, 5, 6, 7, 8];
  const high = low.map((value) => value + 8);
  expect(rankSumP(low, high)).toBeCloseTo(0.000_939, 5);
  expect(rankSumP(high, low)).toBeCloseTo(0.000_939, 5);
  expect(rankSumP(low, low)).toBeCloseTo(1, 6);
  expect(rankSumP([1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16])).toBeCloseTo(0.713, 2);
});
