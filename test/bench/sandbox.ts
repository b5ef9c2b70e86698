// What each sandbox driver costs against the same engine without one, in the same run: generation, start, small requests.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineRequest, EngineResponse } from '../../backend/engine/engine.ts';
import { startEngine } from '../../backend/engine/start-engine.ts';
import { hashFile } from '../../backend/engine/weights/hash-file.ts';
import { FOLDER } from '../../deploy/local/folders.ts';
import { runLlamaServer } from '../backend/engine/run-llama-server.ts';
import { drivers } from '../backend/engine/sandbox/machine.ts';
import { writeRandomModel } from '../harness/random-model.ts';
import { figure, type Outcome } from './measure.ts';

/** Whatever answers OpenAI's API. */
export interface Answering {
  request(request: EngineRequest): Promise<EngineResponse>;
}

interface Contender extends Answering {
  readonly name: string;
  /** Milliseconds from nothing to ready; for a sandbox with its probe and the hash of the model. */
  readonly startMilliseconds: number;
  stop(): Promise<void>;
}

const ROUNDS = 6;
const TOKENS = 48;
const REQUESTS = 150;
const CONTEXT = 1024;

/** The model of the bench: the real one where it was fetched, because it computes long enough to tell. */
export async function benchModel(folder: string) {
  const models = join(FOLDER.root, '.cloister/models');
  const found = listModels(models)[0];
  const path = found === undefined ? join(folder, 'tiny.gguf') : join(models, found);
  if (found === undefined) writeRandomModel(path);
  return { id: 'bench', path, sha256: await hashFile(path) };
}

function listModels(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.gguf'));
  } catch {
    return [];
  }
}

/** One chat completion of so many tokens, greedy; milliseconds, and tokens generated. */
export async function generate(
  engine: Answering,
  tokens: number,
  session?: string,
  content = 'Tell me a story.',
) {
  const body = {
    model: 'bench',
    messages: [{ role: 'user', content }],
    max_tokens: tokens,
    temperature: 0,
  };
  const started = performance.now();
  const answer = await engine.request({
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { 'content-type': 'application/json' },
    body: new TextEncoder().encode(JSON.stringify(body)),
    ...(session !== undefined && { tenant: { session } }),
  });
  const { usage } = (await new Response(answer.body).json()) as { usage: { completion_tokens: number } };
  return { milliseconds: performance.now() - started, tokens: usage.completion_tokens };
}

/** Requests per second, one after the other, of the smallest that the engine answers. */
async function loop(engine: Answering): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < REQUESTS; i++) {
    const answer = await engine.request({
      method: 'GET',
      path: '/v1/models',
      headers: {},
      body: new Uint8Array(),
    });
    await new Response(answer.body).arrayBuffer();
  }
  return (1000 * REQUESTS) / (performance.now() - started);
}

/** Figures of every driver that this machine has; floor: the engine's process started plainly. */
export async function* sandboxFigures(): AsyncGenerator<Outcome> {
  const folder = mkdtempSync('/tmp/cloister-run-');
  const contenders: Contender[] = [];
  try {
    const model = await benchModel(folder);
    contenders.push(await startPlain(model));
    for (const { driver, missing } of drivers) {
      if (missing === '') contenders.push(await startConfined(driver, model, folder));
      else yield { name: `sandbox ${driver}`, skipped: missing.trim() };
    }
    const speed = new Map<Contender, number>();
    const rate = new Map<Contender, number>();
    // in turns, the fastest of each: whatever else runs on the machine can only slow
    for (let round = 0; round < ROUNDS; round++)
      for (const one of contenders) {
        const { milliseconds, tokens } = await generate(one, TOKENS);
        speed.set(one, Math.max(speed.get(one) ?? 0, (1000 * tokens) / milliseconds));
        rate.set(one, Math.max(rate.get(one) ?? 0, await loop(one)));
      }
    const [plain, ...confined] = contenders;
    if (plain === undefined) return;
    for (const one of confined) {
      const of = (values: Map<Contender, number>, who: Contender) => values.get(who) ?? Number.NaN;
      yield figure(`sandbox ${one.name}, generate`, of(speed, one), 'tokens/s', of(speed, plain));
      yield figure(`sandbox ${one.name}, small requests`, of(rate, one), 'requests/s', of(rate, plain));
      yield figure(
        `sandbox ${one.name}, start with probe`,
        one.startMilliseconds,
        'ms',
        plain.startMilliseconds,
      );
    }
  } finally {
    for (const one of contenders) await one.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startPlain(model: { readonly path: string }): Promise<Contender> {
  const started = performance.now();
  const server = await runLlamaServer([
    `--model=${model.path}`,
    '--model-id=bench',
    '--threads=1',
    '--sequences=1',
    `--context=${CONTEXT}`,
  ]);
  return {
    name: 'plain',
    startMilliseconds: performance.now() - started,
    request: (request) => server.client.request(request),
    stop: () => server.stop(),
  };
}

async function startConfined(
  driver: 'bubblewrap' | 'gvisor' | 'landlock' | 'none',
  model: { readonly id: string; readonly path: string; readonly sha256: string },
  parent: string,
): Promise<Contender> {
  const started = performance.now();
  const engine = await startEngine({
    driver,
    model,
    threads: 1,
    sequences: 1,
    contextTokens: CONTEXT,
    runFolder: mkdtempSync(join(parent, 'e-')),
    random: (octets) => new Uint8Array(randomBytes(octets)),
  });
  return {
    name: driver,
    startMilliseconds: performance.now() - started,
    request: (request) => engine.request(request),
    stop: () => engine.stop(),
  };
}
