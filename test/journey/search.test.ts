// Canaries of prompt, answer and weights: searched for on the running machine outside adapter and engine, also after both were killed.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FOLDER } from '../../deploy/local/folders.ts';
import { isGone } from '../backend/engine/sandbox/echo-engine.ts';
import { searchMachine, writablePlaces } from '../harness/search-machine.ts';
import {
  MODEL,
  type SystemNode,
  startWholeSystem,
  until,
  type WholeSystem,
} from '../harness/whole-system.ts';

const secretIn = (place: string) => `${place}-${randomBytes(12).toString('hex')}-Xq7`;
const PROMPT = secretIn('prompt');
const ANSWER = secretIn('answer');
const PLANTED = secretIn('planted');

let system: WholeSystem;
const startedAt = Date.now();
const scope = () => ({
  since: startedAt,
  places: writablePlaces(system.folder, join(FOLDER.root, '.cloister')),
});

const asked = {
  model: MODEL,
  messages: [{ role: 'user' as const, content: `Keep this: ${PROMPT}` }],
  response_format: {
    type: 'json_schema' as const,
    json_schema: {
      name: 'kept',
      schema: { type: 'object', properties: { kept: { const: ANSWER }, more: { type: 'string' } } },
    },
  },
};
const sdk = (node: SystemNode) => {
  const cloister = system.clientOf(node);
  return new OpenAI({ baseURL: cloister.baseURL, apiKey: 'unused', fetch: cloister.fetch, maxRetries: 0 });
};

beforeAll(async () => {
  system = await startWholeSystem({ nodes: 1 });
}, 90_000);
afterAll(() => system?.stop());

const node = () => system.nodes[0] as SystemNode;

const search = async (...secrets: string[]) =>
  (await Promise.all(secrets.map((secret) => searchMachine(secret, scope())))).flat();

/** Asks until the answer holds its secret; `onText` with its first octets, while both secrets are in the memory of adapter and engine. */
async function answer(maxTokens: number, onText: () => unknown = () => {}): Promise<string> {
  const stream = await sdk(node()).chat.completions.create({ ...asked, max_tokens: maxTokens, stream: true });
  let text = '';
  for await (const event of stream) {
    if (text === '' && event.choices[0]?.delta.content) onText();
    text += event.choices[0]?.delta.content ?? '';
  }
  return text;
}

describe('prompt and answer', { timeout: 120_000 }, () => {
  test('are nowhere while and after they are served', async () => {
    let during: ReturnType<typeof search> | undefined;
    const text = await answer(800, () => {
      during = search(PROMPT, ANSWER);
    });
    expect(text).toContain(ANSWER);
    expect(await during).toEqual([]);
    expect(await search(PROMPT, ANSWER)).toEqual([]);
  });

  test('are nowhere after engine and adapter died of a signal that dumps core', async () => {
    for (const pid of [node().enginePid, node().pid]) {
      // a hard limit of 1: no file, and no pipe of a core_pattern either
      const limits = readFileSync(`/proc/${pid}/limits`, 'latin1');
      expect(limits).toMatch(/^Max core file size +1 +1 /m);
      await answer(800, () => process.kill(pid, 'SIGQUIT')).catch(() => undefined);
      await until(() => isGone(pid), 10_000);
      expect(await search(PROMPT, ANSWER)).toEqual([]);
      if (pid === node().enginePid)
        await until(() => node().events.some(({ event }) => event === 'engine_restarted'), 30_000);
    }
  });
});

describe('the weights', { timeout: 60_000 }, () => {
  test('are in their own file and nowhere else', async () => {
    const octets = readFileSync(system.modelPath);
    // tensors lie at the end
    const canary = octets.subarray(octets.length - 4096, octets.length - 4096 + 32);
    const found = await searchMachine(canary, scope());
    expect(found.length).toBeGreaterThan(0);
    // the sandbox's user may reach it by another name of the same file
    const own = statSync(system.modelPath).ino;
    expect(found.filter(({ place }) => statSync(place).ino !== own)).toEqual([]);
  });
});

// A search that finds nothing proves something only when it finds what was planted, in each place.
describe('the same search finds a canary', { timeout: 60_000 }, () => {
  const planted = async () => (await searchMachine(PLANTED, scope())).map(({ place }) => place);

  test('in every place where a file may be', async () => {
    const folders: string[] = [];
    for (const place of scope().places)
      try {
        folders.push(mkdtempSync(join(place, 'cloister-canary-test-')));
      } catch {
        // nobody can write there, so nobody can leave anything
      }
    for (const folder of folders) writeFileSync(join(folder, 'file'), `x${PLANTED}y`);
    const found = await planted();
    for (const folder of folders) rmSync(folder, { recursive: true });
    expect(folders.length).toBeGreaterThan(4);
    for (const folder of folders) expect(found).toContain(join(folder, 'file'));
  });

  test('in the name of a file, in a core beside a process, in an environment, and in a process list', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cloister-canary-test-'));
    mkdirSync(join(folder, PLANTED));
    writeFileSync(join(folder, 'core.123'), Buffer.from(PLANTED));
    const child = spawn('/bin/sh', ['-c', 'read -r never', 'sh', PLANTED], {
      cwd: folder,
      env: { KEPT: Buffer.from(PLANTED).toString('base64') },
    });
    try {
      await until(() => readFileSync(`/proc/${child.pid}/cmdline`, 'latin1').includes(PLANTED));
      const found = await planted();
      for (const place of [
        `the name of ${join(folder, PLANTED)}`,
        join(folder, 'core.123'),
        `/proc/${child.pid}/environ`,
        `/proc/${child.pid}/cmdline`,
      ])
        expect(found).toContain(place);
    } finally {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true });
    }
  });
});
