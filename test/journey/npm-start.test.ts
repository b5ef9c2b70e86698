// `npm start` as a program uses it: one line of JSON, clients that work with it, exit codes, and no process left behind.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, describe, expect, test } from 'vitest';
import { DEFAULT_MODEL } from '../../backend/engine/weights/model-catalogue.ts';
import { FOLDER } from '../../deploy/local/folders.ts';
import { tryPort } from '../../deploy/local/free-port.ts';
import * as source from '../../shared/client/index.ts';
import { isAlive, processTree, type SeenProcess } from '../harness/process-tree.ts';
import { until } from '../harness/whole-system.ts';

const START_MILLISECONDS = 60_000;
const END_MILLISECONDS = 10_000;

/** A start must fetch nothing here: neither the model nor packages. */
const ready =
  existsSync(join(FOLDER.models, DEFAULT_MODEL.file)) &&
  existsSync(join(FOLDER.root, 'shared/dist/client/index.js')) &&
  installedLock() === lockDigest();

function installedLock(): string | undefined {
  const mark = join(FOLDER.root, 'node_modules/.cloister-installed.json');
  return existsSync(mark) ? (JSON.parse(readFileSync(mark, 'utf8')) as { lock: string }).lock : undefined;
}

function lockDigest(): string {
  return createHash('sha256')
    .update(readFileSync(join(FOLDER.root, 'package-lock.json')))
    .digest('hex');
}

interface Started {
  readonly npm: ChildProcess & { readonly pid: number };
  readonly port: number;
  readonly stdout: () => string;
  readonly screen: () => string;
}

const starts: Started[] = [];
afterAll(() => {
  // Only what a failed test left: each test ends its own start.
  for (const { npm } of starts.splice(0))
    for (const left of processTree(npm.pid)) if (isAlive(left)) process.kill(left.pid, 'SIGKILL');
});

async function npmStart(...args: string[]): Promise<Started> {
  const port = await tryPort(0);
  if (port === undefined) throw new Error('no free port');
  const npm = spawn('npm', ['start', '--silent', '--', '--json', ...args], {
    cwd: FOLDER.root,
    env: { ...process.env, CLOISTER_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, as a shell gives it.
    detached: true,
  });
  let stdout = '';
  let screen = '';
  npm.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  npm.stderr.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
  });
  if (npm.pid === undefined) throw new Error('npm did not start');
  const started = {
    npm: Object.assign(npm, { pid: npm.pid }),
    port,
    stdout: () => stdout,
    screen: () => screen,
  };
  starts.push(started);
  return started;
}

/** Waits for the line, and gives it with every process that runs then. */
async function whenReady(started: Started) {
  await until(() => started.stdout().includes('\n'), START_MILLISECONDS);
  const line = JSON.parse(started.stdout()) as {
    base_url: string;
    api_key: string;
    policy: source.Policy;
    local_url: string;
  };
  const running = processTree(started.npm.pid);
  const commands = running.map(({ commandLine }) => commandLine).join('\n');
  for (const part of ['start.mjs', 'up.ts', 'backend/main.ts', 'workerd', 'llama'])
    expect(commands, commands).toContain(part);
  return { line, running };
}

async function expectAllGone(running: readonly SeenProcess[]): Promise<void> {
  await until(() => !running.some(isAlive), END_MILLISECONDS).catch(() => undefined);
  expect(running.filter(isAlive).map(({ commandLine }) => commandLine)).toEqual([]);
}

describe.skipIf(!ready)(
  'npm start --silent -- --json (skipped where model or packages would be fetched)',
  () => {
    test(
      'prints exactly one line of JSON, which is all that clients need; SIGTERM to npm ends every process',
      async () => {
        const started = await npmStart();
        const { line, running } = await whenReady(started);
        expect(Object.keys(line)).toEqual(['base_url', 'api_key', 'policy', 'local_url']);
        expect(line.base_url).toBe(`http://127.0.0.1:${started.port}`);

        const entry: string = 'cloister';
        const built = (await import(entry)) as typeof source;
        for (const { createCloister } of [source, built]) {
          const cloister = createCloister({
            baseURL: line.base_url,
            apiKey: line.api_key,
            policy: line.policy,
          });
          const openai = new OpenAI({ baseURL: cloister.baseURL, apiKey: 'unused', fetch: cloister.fetch });
          const { data } = await openai.models.list();
          const answer = await openai.chat.completions.create({
            model: data[0]?.id ?? '',
            messages: [{ role: 'user', content: 'Is my secret safe with you?' }],
            max_tokens: 8,
          });
          expect(answer.choices[0]?.message.content).toMatch(/[a-z]{2}/i);
          expect(cloister.node?.key.assurance).toBe('simulated');
        }
        const models = await (await fetch(`${line.local_url}/v1/models`)).json();
        expect(models).toMatchObject({ data: [{ id: DEFAULT_MODEL.id }] });
        expect(started.stdout()).toBe(`${JSON.stringify(line)}\n`);

        process.kill(started.npm.pid, 'SIGTERM');
        await expectAllGone(running);
      },
      START_MILLISECONDS * 2,
    );

    test.concurrent(
      'ends every process on SIGINT to its group, as ctrl-C sends it',
      async () => {
        const started = await npmStart();
        const { running } = await whenReady(started);
        process.kill(-started.npm.pid, 'SIGINT');
        await expectAllGone(running);
      },
      START_MILLISECONDS * 2,
    );

    test.concurrent(
      'ends every process when its launcher is killed without a chance to clean up',
      async () => {
        const started = await npmStart();
        const { running } = await whenReady(started);
        const launcher = running.find(({ commandLine }) => /^\S*node \S*start\.mjs/.test(commandLine));
        process.kill(launcher?.pid ?? 0, 'SIGKILL');
        await expectAllGone(running);
      },
      START_MILLISECONDS * 2,
    );

    test.concurrent.each([
      ['debug', 'policy_debug', 5],
      ['replayed', 'evidence_binding', 4],
    ])(
      '--fault %s: %s on the screen, nothing sent, exit code %i',
      async (fault, code, exitCode) => {
        const started = await npmStart('--fault', fault);
        const seen = new Map<number, SeenProcess>();
        const watching = setInterval(() => {
          for (const each of processTree(started.npm.pid)) seen.set(each.pid, each);
        }, 100);
        const [status] = (await once(started.npm, 'close')) as [number | null];
        clearInterval(watching);
        expect(status, started.screen()).toBe(exitCode);
        expect(started.screen()).toContain(code);
        expect(started.screen()).toContain('Nothing was sent');
        expect(started.stdout()).toBe('');
        await expectAllGone([...seen.values()]);
      },
      START_MILLISECONDS * 2,
    );
  },
);
