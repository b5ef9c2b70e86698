// The contract, kept by llama.cpp's own server in its sandbox; run where CLOISTER_LLAMA_SERVER names the program.

import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../../backend/engine/engine.ts';
import { type LlamaServerSetup, llamaServer } from '../../../../backend/engine/llama-server/llama-server.ts';
import { startEngine } from '../../../../backend/engine/start-engine.ts';
import { CHAT_ML_WITH_TOOLS, writeRandomModel } from '../../../harness/random-model.ts';
import { drivers } from '../sandbox/machine.ts';
import { runContract } from './run-contract.ts';

const program = process.env.CLOISTER_LLAMA_SERVER ?? '';
const lacking = drivers.find(({ driver }) => driver === 'bubblewrap')?.missing ?? '';
const why = program === '' ? ' (skipped: CLOISTER_LLAMA_SERVER names none)' : lacking;
const GOMP = ['x86_64', 'aarch64'].map((cpu) => `/usr/lib/${cpu}-linux-gnu/libgomp.so.1`).filter(existsSync);
const contextTokens = 2048;
const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

describe.skipIf(why !== '')(`llama-server in bubblewrap${why}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'contract-'));
  const path = join(folder, 'tiny.gguf');
  let setup: LlamaServerSetup;
  let engine: Engine;

  const start = (more: Partial<LlamaServerSetup> = {}) => {
    const runFolder = mkdtempSync(join(folder, 'run-'));
    return startEngine({
      driver: 'auto',
      model: setup.model,
      runFolder,
      random: (octets) => new Uint8Array(randomBytes(octets)),
      foreign: llamaServer({ ...setup, ...more, runFolder }),
    });
  };

  beforeAll(async () => {
    writeRandomModel(path, 1, CHAT_ML_WITH_TOOLS);
    setup = {
      binary: { path: program, sha256: digest(program) },
      libraries: GOMP.map((library) => ({ path: library, sha256: digest(library) })),
      model: { id: 'tiny', path, sha256: digest(path) },
      threads: 1,
      sequences: 2,
      contextTokens,
      runFolder: folder,
    };
    engine = await start();
  }, 120_000);

  afterAll(async () => {
    await engine?.stop();
    rmSync(folder, { recursive: true });
  });

  runContract('llama-server', () => ({ client: engine, model: 'tiny', contextTokens, slots: 2 }));

  it('runs under the probed profile with a private socket', async () => {
    expect([engine.driver, engine.probe.verdict]).toEqual(['bubblewrap', 'isolated']);
    expect(await engine.health()).toEqual({ status: 'ready', progress: 1 });
  });

  it('is not started when its program or a library is another', async () => {
    const other = '0'.repeat(64);
    const refused = { code: 'engine_program_mismatch' };
    await expect(start({ binary: { path: program, sha256: other } })).rejects.toMatchObject(refused);
    await expect(start({ libraries: [{ path: program, sha256: other }] })).rejects.toMatchObject(refused);
    await expect(start({ binary: { path: join(folder, 'none'), sha256: other } })).rejects.toMatchObject(
      refused,
    );
  });
});
