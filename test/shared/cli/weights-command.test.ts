// `cloister weights` as its owner runs it: files in, files out, and nothing left behind or overwritten.

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exitCodeOf } from '../../../shared/cli/exit-code.ts';
import { Terminal } from '../../../shared/cli/terminal.ts';
import { weightsCommand } from '../../../shared/cli/weights-command.ts';
import { parseWeightKey } from '../../../shared/weights/weight-key.ts';
import { until } from '../../harness/whole-system.ts';
import { readIndependently } from '../weights/independent-reader.ts';

const CLI = fileURLToPath(new URL('../../../shared/cli/cloister.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'cloister-weights-cli-'));
const path = (name: string) => join(folder, name);
const plaintext = randomBytes(2_500_000);

/** The command in a process of its own, as a shell starts it. */
function runProcess(...words: string[]): Outcome {
  const options = ['--disable-warning=ExperimentalWarning', CLI, 'weights', ...words];
  const { status, stdout, stderr } = spawnSync(process.execPath, options, { encoding: 'utf8' });
  return { code: status, stdout, stderr };
}

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The same command in this process: a start of Node for each case would take seconds. */
async function run(words: string[], signal = new AbortController().signal): Promise<Outcome> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') =>
    ({
      write: (text: string) => {
        written[name] += text;
      },
    }) as unknown as NodeJS.WriteStream;
  const screen = stream('stderr');
  const terminal = new Terminal(stream('stdout'), screen, {});
  try {
    await weightsCommand(words, { terminal, screen, signal });
    return { code: 0, ...written };
  } catch (error) {
    return { code: exitCodeOf(error), ...written, stderr: `${written.stderr}${(error as Error).message}` };
  }
}

beforeAll(() => {
  writeFileSync(path('model'), plaintext);
  const made = runProcess(
    'encrypt',
    path('model'),
    path('sealed'),
    '--key',
    path('key'),
    '--new-key',
    '--json',
  );
  expect(made).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(made.stdout)).toMatchObject({ bytes: plaintext.length, chunk_bytes: 1 << 20 });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('cloister weights', () => {
  test('encrypts to what another reader reads, and never prints the key', async () => {
    const text = readFileSync(path('key'), 'utf8');
    expect(
      (await readIndependently(readFileSync(path('sealed')), parseWeightKey(text))).equals(plaintext),
    ).toBe(true);
    expect(statSync(path('key')).mode & 0o777).toBe(0o600);
    const { stdout, stderr } = await run(['encrypt', path('model'), path('again'), '--key', path('key')]);
    expect(stdout + stderr).not.toContain(text.trim().slice(-43));
    expect(readFileSync(path('again')).equals(readFileSync(path('sealed')))).toBe(false);
  });

  test('decrypts, for nobody but its caller', async () => {
    expect(await run(['decrypt', path('sealed'), path('back'), '--key', path('key')])).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    expect(readFileSync(path('back')).equals(plaintext)).toBe(true);
    expect(statSync(path('back')).mode & 0o777).toBe(0o600);
  });

  test('inspects without a key', async () => {
    const { code, stdout } = await run(['inspect', path('sealed')]);
    expect(code).toBe(0);
    for (const name of ['key_id', 'bytes', 'sha256', 'encrypted_bytes', 'encrypted_sha256'])
      expect(stdout).toMatch(new RegExp(`^${name} `, 'm'));
    writeFileSync(path('cut'), readFileSync(path('sealed')).subarray(0, -1));
    expect((await run(['inspect', path('cut')])).code).toBe(4);
  });
});

describe('refused, with nothing left behind', () => {
  const others = () => readdirSync(folder).sort();

  test.each([
    ['an output that exists', 2, () => ['encrypt', path('model'), path('sealed'), '--key', path('key')]],
    [
      'a key file that exists',
      2,
      () => ['encrypt', path('model'), path('n'), '--key', path('key'), '--new-key'],
    ],
    ['no key file', 2, () => ['encrypt', path('model'), path('n'), '--key', path('nokey')]],
    ['no key', 2, () => ['encrypt', path('model'), path('n')]],
    ['no input', 2, () => ['encrypt', path('nomodel'), path('n'), '--key', path('key')]],
    ['an unknown action', 2, () => ['erase', path('sealed')]],
    ['an unknown option', 2, () => ['inspect', path('sealed'), '--force']],
    ['what was never encrypted', 4, () => ['decrypt', path('model'), path('n'), '--key', path('key')]],
  ])('%s: exit %i', async (_, code, words) => {
    const before = others();
    const { stderr, ...rest } = await run(words());
    expect(rest).toEqual({ code, stdout: '' });
    expect(stderr).not.toBe('');
    expect(others()).toEqual(before);
  });

  test('a wrong key, a flipped bit, a cut: exit 4', async () => {
    const sealed = readFileSync(path('sealed'));
    writeFileSync(path('flipped'), sealed);
    const file = readFileSync(path('flipped'));
    file[2_000_000] = (file[2_000_000] as number) ^ 1;
    writeFileSync(path('flipped'), file);
    writeFileSync(path('cut'), sealed);
    truncateSync(path('cut'), 112 + (1 << 20) + 16);
    await run(['encrypt', path('model'), path('foreign'), '--key', path('other-key'), '--new-key']);
    const before = others();
    for (const name of ['flipped', 'cut', 'foreign'])
      expect((await run(['decrypt', path(name), path('n'), '--key', path('key')])).code, name).toBe(4);
    expect(runProcess('decrypt', path('cut'), path('n'), '--key', path('key'))).toMatchObject({
      code: 4,
      stderr: 'cloister: the encrypted weights are cut short\n',
    });
    expect(others()).toEqual(before);
  });

  test('nothing to encrypt: no key is left either', async () => {
    writeFileSync(path('empty'), '');
    const before = others();
    const { code, stderr } = await run([
      'encrypt',
      path('empty'),
      path('n'),
      '--key',
      path('k'),
      '--new-key',
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain('at least one octet');
    expect(others()).toEqual(before);
  });

  test('a key that others can read: exit 2', async () => {
    writeFileSync(path('open-key'), readFileSync(path('key')), { mode: 0o600 });
    chmodSync(path('open-key'), 0o640);
    const { code, stderr } = await run(['decrypt', path('sealed'), path('n'), '--key', path('open-key')]);
    expect(code).toBe(2);
    expect(stderr).toContain('chmod 600');
  });

  test('an interrupted run', async () => {
    writeFileSync(path('large'), '');
    truncateSync(path('large'), 100_000_000);
    const interrupted = new AbortController();
    const running = run(['encrypt', path('large'), path('n'), '--key', path('key')], interrupted.signal);
    await until(() => existsSync(path('n.part')));
    interrupted.abort(new Error('interrupted'));
    expect((await running).code).toBe(1);
    rmSync(path('large'));
    expect(existsSync(path('n')) || existsSync(path('n.part'))).toBe(false);
  });
});
