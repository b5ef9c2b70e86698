// The contract, kept by our own server over node-llama-cpp.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { CHAT_ML_WITH_TOOLS, writeRandomModel } from '../../../harness/random-model.ts';
import { type RunningServer, runLlamaServer } from '../run-llama-server.ts';
import { runContract } from './run-contract.ts';

const folder = mkdtempSync(join(tmpdir(), 'contract-'));
const contextTokens = 2048;
let server: RunningServer;

beforeAll(async () => {
  const path = join(folder, 'tiny.gguf');
  writeRandomModel(path, 1, CHAT_ML_WITH_TOOLS);
  server = await runLlamaServer([
    ...['--model', path, '--model-id', 'tiny', '--threads', '1'],
    ...['--sequences', '2', '--context', String(contextTokens)],
  ]);
}, 60_000);

afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true });
});

runContract('node-llama-cpp', () => ({ client: server.client, model: 'tiny', contextTokens, slots: 2 }));
