import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkConfinement } from '../../../../backend/engine/sandbox/check-confinement.ts';
import { buildProfile } from '../../../../backend/engine/sandbox/profile.ts';
import { canReach } from '../../../../backend/engine/sandbox/stage-files.ts';
import {
  requireLandlock,
  type SandboxedProgram,
  startInSandbox,
} from '../../../../backend/engine/sandbox/start-in-sandbox.ts';
import { askEngine, echoProgram, eventually, isGone } from './echo-engine.ts';
import { hasLandlock, isOwnUser, landlockAbi, needsLandlock } from './machine.ts';

const isRoot = process.getuid?.() === 0;
const HELPER = new URL('start-and-report.ts', import.meta.url).pathname;
const random = (octets: number) => randomBytes(octets);
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

describe.skipIf(!hasLandlock)(`starting an engine under landlock${needsLandlock}`, () => {
  it('answers on the inherited socket, as an unprivileged user, with its environment and nothing else', async () => {
    const dropped: number[] = [];
    const engine = await startInSandbox('landlock', echoProgram(), {
      runFolder,
      random,
      onOutputDropped: (_, octets) => dropped.push(octets),
    });
    try {
      expect(engine.driver).toBe('landlock');
      expect(engine.probe).toMatchObject({ driver: 'landlock', landlockAbi, verdict: 'isolated' });
      expect(engine.probe.results.length).toBeGreaterThanOrEqual(50);
      const said = JSON.parse(await askEngine(engine.socketPath, 'hello'));
      expect(said).toMatchObject({ body: 'hello', passwd: 'EACCES', env: { HOME: '/', GREETING: 'hello' } });
      expect(said.pid).toBe(engine.pid);
      expect(readFileSync(`/proc/${engine.pid}/oom_score_adj`, 'latin1').trim()).toBe('1000');
      if (isRoot) {
        expect(isOwnUser(said.user)).toBe(true);
        expect([said.group, said.groups]).toEqual([said.user, [said.user]]);
      } else expect(said.user).toBe(process.getuid?.());
      expect(dropped).toEqual(['text that nobody may see\n'.length]);
      expect(readdirSync(runFolder)).toEqual(['engine.sock']);
      expect(isGone(said.child)).toBe(false);
      await engine.stop();
      await eventually(() => isGone(said.child), 2000);
    } finally {
      await engine.stop();
    }
    expect(readdirSync(runFolder)).toEqual([]);
    expect(await engine.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('tells when the engine ends by itself, and takes its children along', async () => {
    const engine = await startInSandbox('landlock', echoProgram(), { runFolder, random });
    const { child } = JSON.parse(await askEngine(engine.socketPath, 'hello'));
    await expect(askEngine(engine.socketPath, 'end')).rejects.toThrow();
    expect(await engine.exited).toEqual({ code: 7, signal: null });
    await eventually(() => isGone(child) && !existsSync(engine.socketPath), 2000);
  });

  it('ends an engine that outgrows its memory', async () => {
    const engine = await startInSandbox('landlock', echoProgram(), { runFolder, random });
    await expect(askEngine(engine.socketPath, 'grow')).rejects.toThrow();
    const { code, signal } = await engine.exited;
    expect(code === 0).toBe(false);
    expect(code ?? signal).not.toBeNull();
  });

  it('leaves neither engine nor children when the adapter is killed', async () => {
    const adapter = spawn(process.execPath, [HELPER, 'hold'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const started = JSON.parse(await firstLine(adapter));
    try {
      expect(isGone(started.pid)).toBe(false);
      adapter.kill('SIGKILL');
      await eventually(() => isGone(started.pid) && isGone(started.said.child), 2000);
    } finally {
      adapter.kill('SIGKILL');
      rmSync(started.runFolder, { recursive: true, force: true });
    }
  });

  const reachable = isRoot && canReach(process.execPath, 1000) && canReach(HELPER, 1000);
  const reason = reachable ? '' : ' (skipped: needs root and a checkout that others may read)';
  it.skipIf(!reachable)(`isolates for an ordinary user too${reason}`, async () => {
    const adapter = spawn('/usr/bin/setpriv', [
      ...['--reuid=1000', '--regid=1000', '--clear-groups', '--inh-caps=-all'],
      ...['--', process.execPath, HELPER],
    ]);
    const started = JSON.parse(await firstLine(adapter));
    expect(started.said).toMatchObject({ user: 1000, group: 1000, passwd: 'EACCES' });
    expect(started.probe.results.filter((result: { blocked: boolean }) => !result.blocked)).toEqual([]);
    expect(started.probe.verdict).toBe('isolated');
    await new Promise((resolve) => adapter.once('close', resolve));
    expect(existsSync(started.runFolder)).toBe(false);
  });

  it.skipIf(!isRoot)(
    'shows files of a private folder under another path, and takes them back (needs root)',
    async () => {
      const folder = mkdtempSync('/tmp/cloister-test-');
      chmodSync(folder, 0o700);
      const file = join(folder, 'model.gguf');
      writeFileSync(file, 'weights', { mode: 0o600 });
      const engine = await startInSandbox('landlock', echoProgram([`--model=${file}`], [file]), {
        runFolder,
        random,
      });
      try {
        const { argv } = JSON.parse(await askEngine(engine.socketPath, 'hello'));
        const staged = String(argv[0]).slice('--model='.length);
        expect(staged.endsWith(file)).toBe(true);
        expect(readFileSync(staged, 'utf8')).toBe('weights');
        await engine.stop();
        expect(existsSync(staged)).toBe(false);
      } finally {
        await engine.stop();
        rmSync(folder, { recursive: true });
      }
    },
  );

  it('has the same profile digest at every start', async () => {
    const digests: string[] = [];
    for (let start = 0; start < 2; start++) {
      const engine = await startInSandbox('landlock', echoProgram(), { runFolder, random });
      digests.push(engine.probe.profileDigest);
      await engine.stop();
    }
    expect(digests[0]).toBe(digests[1]);
  });

  it('says at which step a program could not be started, and leaves nothing', async () => {
    const program = { ...echoProgram(), argv: ['/bin/true'] };
    await expect(startInSandbox('landlock', program, { runFolder, random })).rejects.toMatchObject({
      code: 'sandbox_start_failed',
      message: 'the launcher ended at execve:13',
    });
    expect(readdirSync(runFolder)).toEqual([]);
  });

  it('confines nothing under none, says so, and still drops root', async () => {
    const engine = await startInSandbox('none', echoProgram(), { runFolder, random });
    try {
      expect(engine.driver).toBe('none');
      expect(engine.probe).toMatchObject({ driver: 'none', landlockAbi: 0, verdict: 'not-isolated' });
      const said = JSON.parse(await askEngine(engine.socketPath, 'hello'));
      expect(said.passwd).toBe('read');
      expect(said.user).not.toBe(0);
    } finally {
      await engine.stop();
    }
  });
});

it('sees from outside that a process is not confined', () => {
  expect(() => checkConfinement(process.pid)).toThrow(
    expect.objectContaining({ code: 'sandbox_start_failed', message: expect.stringContaining('Seccomp') }),
  );
});

it('lets no core leave, not even through a core_pattern that is a pipe', () => {
  const input = {
    driver: 'landlock',
    landlockAbi: 3,
    architecture: 'x64',
    readOnly: [],
    ownUser: true,
  } as const;
  const { limits } = buildProfile({ ...input, limits: echoProgram().limits });
  const [core, fileSize, processes] = [4, 1, 6].map(
    (resource) => limits.find(([name]) => name === resource)?.[1],
  );
  expect([core, fileSize, processes]).toEqual([1, 0, 512]);
  const ordinary = buildProfile({ ...input, ownUser: false, limits: echoProgram().limits });
  expect(ordinary.limits.some(([resource]) => resource === 6)).toBe(false);
});

describe('refusing a start', () => {
  const program = echoProgram();
  const wrong: readonly (readonly [string, Partial<SandboxedProgram>])[] = [
    ['a relative command', { argv: ['node'] }],
    ['no command', { argv: [] }],
    ['a relative place', { readOnly: ['models'] }],
    ['a place that is not there', { readOnly: ['/nowhere/model.gguf'] }],
    ['a zero octet', { argv: [process.execPath, 'a\0b'] }],
    ['an equals sign in a name', { env: { 'A=B': 'c' } }],
    ['a limit that is none', { limits: { ...program.limits, memoryBytes: 0 } }],
  ];
  it.each(wrong)('with %s: sandbox_program_invalid', async (_, part) => {
    await expect(
      startInSandbox('landlock', { ...program, ...part }, { runFolder, random }),
    ).rejects.toMatchObject({
      code: 'sandbox_program_invalid',
    });
  });

  it('with a run folder that others may enter: sandbox_program_invalid', async () => {
    chmodSync(runFolder, 0o755);
    await expect(startInSandbox('landlock', program, { runFolder, random })).rejects.toMatchObject({
      code: 'sandbox_program_invalid',
    });
  });

  it('on a kernel without Landlock, or with too old a one: sandbox_unavailable, with the remedy', () => {
    const unavailable = (pattern: RegExp) =>
      expect.objectContaining({ code: 'sandbox_unavailable', message: expect.stringMatching(pattern) });
    expect(() => requireLandlock(() => -1)).toThrow(unavailable(/lsm=/));
    expect(() => requireLandlock(() => 2)).toThrow(unavailable(/6\.2 or later/));
    expect(requireLandlock(() => 3)).toBe(3);
  });
});
