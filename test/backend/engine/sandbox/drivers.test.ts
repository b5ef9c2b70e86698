import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { planSandbox } from '../../../../backend/engine/sandbox/plan-sandbox.ts';
import { startInSandbox } from '../../../../backend/engine/sandbox/start-in-sandbox.ts';
import { askEngine, echoProgram, eventually, isGone } from './echo-engine.ts';
import { drivers, isOwnUser, userOf } from './machine.ts';

const HELPER = new URL('start-and-report.ts', import.meta.url).pathname;
const random = (octets: number) => randomBytes(octets);
const containers = () => readdirSync('/var/tmp').filter((name) => name.startsWith('cloister-gvisor-'));
let runFolder = '';

beforeEach(() => {
  runFolder = mkdtempSync('/tmp/cloister-run-');
});
afterEach(() => rmSync(runFolder, { recursive: true, force: true }));

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (piece: Buffer) => {
      text += piece.toString();
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    child.once('exit', (code) => reject(new Error(`ended with ${code} before it spoke`)));
  });
}

const layered = drivers
  .filter(({ driver }) => driver !== 'landlock')
  .map(({ driver, missing }) => [`${driver}${missing}`, driver, missing] as const);
describe.each(layered)('starting an engine under %s', (_, driver, missing) => {
  const test = it.skipIf(missing !== '');

  test('answers on its one socket, in a root, a user and a process tree of its own', {
    timeout: 60_000,
  }, async () => {
    const engine = await startInSandbox(driver, echoProgram(), { runFolder, random });
    try {
      expect(engine.driver).toBe(driver);
      expect(engine.probe).toMatchObject({ driver, landlockAbi: 0, verdict: 'isolated' });
      const said = JSON.parse(await askEngine(engine.socketPath, 'hello'));
      expect(said).toMatchObject({ body: 'hello', passwd: 'ENOENT', user: 65534, group: 65534 });
      // inside one user for all, outside one of its own
      if (driver === 'bubblewrap' && process.getuid?.() === 0)
        expect(isOwnUser(userOf(engine.pid))).toBe(true);
      expect(said.env).toMatchObject({ HOME: '/', GREETING: 'hello' });
      expect(
        Object.keys(said.env)
          .filter((name) => name !== 'PWD')
          .sort(),
      ).toEqual(['GREETING', 'HOME']);
      expect(said.pid).not.toBe(engine.pid);
      expect(said.pid).toBeLessThan(100);
      // the environment of what holds the engine says nothing either
      const parent = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${engine.pid}/status`, 'latin1'))?.[1];
      expect(readFileSync(`/proc/${parent}/environ`, 'latin1')).not.toContain('GREETING');
      expect(planSandbox(driver, echoProgram())).toEqual({
        driver,
        profileDigest: engine.probe.profileDigest,
      });
    } finally {
      await engine.stop();
    }
    expect(readdirSync(runFolder)).toEqual([]);
    await eventually(() => isGone(engine.pid), 5000);
    expect(containers()).toEqual([]);
  });

  test('tells when the engine ends by itself, with its code', { timeout: 60_000 }, async () => {
    const engine = await startInSandbox(driver, echoProgram(), { runFolder, random });
    await expect(askEngine(engine.socketPath, 'end')).rejects.toThrow();
    expect(await engine.exited).toMatchObject({ code: 7 });
    await engine.stop();
    const killed = await startInSandbox(driver, echoProgram(), { runFolder, random });
    process.kill(killed.pid, 'SIGKILL');
    expect((await killed.exited).code).not.toBe(0);
    if (driver === 'bubblewrap') expect(await killed.exited).toEqual({ code: null, signal: 'SIGKILL' });
    await killed.stop();
    expect(containers()).toEqual([]);
  });

  test('leaves nothing running and nothing mounted when the adapter is killed', {
    timeout: 60_000,
  }, async () => {
    const adapter = spawn(process.execPath, [HELPER, 'hold', driver], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const started = JSON.parse(await firstLine(adapter));
    try {
      expect(isGone(started.pid)).toBe(false);
      adapter.kill('SIGKILL');
      await eventually(() => isGone(started.pid) && containers().length === 0, 10_000);
      expect(readFileSync('/proc/self/mounts', 'latin1')).not.toContain('cloister-gvisor-');
    } finally {
      adapter.kill('SIGKILL');
      rmSync(started.runFolder, { recursive: true, force: true });
    }
    expect(existsSync(started.runFolder)).toBe(false);
  });
});
