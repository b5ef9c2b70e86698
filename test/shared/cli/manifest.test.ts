// The walk of docs/manifest.md, as commands: two of three owners, each with a key of their own.

import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exitCodeOf } from '../../../shared/cli/exit-code.ts';
import { toDraft } from '../../../shared/cli/manifest/make-manifest.ts';
import { manifestCommand } from '../../../shared/cli/manifest/manifest-command.ts';
import { Terminal } from '../../../shared/cli/terminal.ts';
import type { ManifestChange } from '../../../shared/manifest/manifest-diff.ts';
import { parsePolicy } from '../../../shared/verifier/policy.ts';
import { firstManifest } from '../manifest/manifest-fixture.ts';

const CLI = fileURLToPath(new URL('../../../shared/cli/cloister.ts', import.meta.url));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

let folder: string;
const at = (name: string): string => join(folder, name);

/** In this process, because starting one takes longer than what most commands do; files are named from the folder. */
async function manifest(...words: readonly string[]): Promise<Ran> {
  const ran = { out: '', err: '' };
  const stream = (name: 'out' | 'err') =>
    new Writable({
      write(chunk, _encoding, done) {
        ran[name] += String(chunk);
        done();
      },
    }) as unknown as NodeJS.WriteStream;
  const terminal = new Terminal(stream('out'), stream('err'), {});
  try {
    await manifestCommand(
      words.map((word) => (/\.json$|^published$|^\.$/.test(word) ? at(word) : word)),
      { terminal, now: new Date() },
    );
    return { code: 0, ...ran };
  } catch (error) {
    terminal.message(`cloister: ${error instanceof Error ? error.message : String(error)}`);
    return { code: exitCodeOf(error), ...ran };
  }
}

/** The command must succeed; its stdout. */
async function ok(...words: readonly string[]): Promise<string> {
  const { code, out, err } = await manifest(...words);
  expect([words.join(' '), code, code === 0 ? '' : err]).toEqual([words.join(' '), 0, '']);
  return out;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-manifest-'));
  const { service, owners, threshold, ...draft } = toDraft(await firstManifest());
  await writeFile(at('draft.json'), JSON.stringify(draft));
  await Promise.all(
    ['alice', 'bob', 'carol'].map(async (name) =>
      writeFile(at(`${name}.json`), await ok('key', 'new', `${name}.key.json`, '--name', name)),
    ),
  );
});
afterAll(() => rm(folder, { recursive: true }));

const OWNERS = ['alice', 'bob', 'carol'].flatMap((name) => ['--owner', `${name}.json`]);

describe('a key', () => {
  test('lies in a file of its owner’s alone, and its private half is never printed', async () => {
    expect((await stat(at('alice.key.json'))).mode & 0o777).toBe(0o600);
    const { private: secret } = JSON.parse(await readFile(at('alice.key.json'), 'utf8')) as {
      private: string;
    };
    const shown = await manifest('key', 'show', 'alice.key.json');
    expect(shown.code).toBe(0);
    expect(JSON.parse(shown.out)).toEqual(JSON.parse(await readFile(at('alice.json'), 'utf8')));
    expect(shown.out + shown.err).not.toContain(secret);
  });
  test('is never replaced, and not used once others may read it', async () => {
    const again = await manifest('key', 'new', 'alice.key.json', '--name', 'alice');
    expect([again.code, again.err.includes('never replaced')]).toEqual([1, true]);
    await writeFile(at('open.key.json'), await readFile(at('alice.key.json')));
    await chmod(at('open.key.json'), 0o644);
    const exposed = await manifest('key', 'show', 'open.key.json');
    expect([exposed.code, exposed.err.includes('chmod 600')]).toEqual([1, true]);
  });
  test('whose halves do not belong together is refused', async () => {
    const { private: d } = JSON.parse(await readFile(at('bob.key.json'), 'utf8')) as { private: string };
    const alice = JSON.parse(await readFile(at('alice.key.json'), 'utf8')) as object;
    await writeFile(at('mixed.key.json'), JSON.stringify({ ...alice, private: d }), { mode: 0o600 });
    const mixed = await manifest('key', 'show', 'mixed.key.json');
    expect([mixed.code, mixed.err.includes('belong together')]).toEqual([1, true]);
  });
});

test('two of three owners publish a first version and a second one', async () => {
  const made = await ok(
    'new',
    'draft.json',
    '--service',
    'chat.example',
    ...OWNERS,
    '--threshold',
    '2',
    '--out',
    'v1.json',
  );
  expect(made).toContain('chat.example, version 1');
  expect((await manifest('verify', 'v1.json')).code).toBe(5);
  expect((await manifest('set', 'v1.json', '--folder', 'published')).code).toBe(5);
  await ok('sign', 'v1.json', '--key', 'alice.key.json');
  await ok('sign', 'v1.json', '--key', 'alice.key.json');
  const alone = await manifest('verify', 'v1.json');
  expect([alone.code, alone.out.includes('owners_too_few')]).toEqual([5, true]);
  await ok('sign', 'v1.json', '--key', 'bob.key.json');
  expect(await ok('verify', 'v1.json')).toContain('2 of 3');
  await ok('set', 'v1.json', '--folder', 'published');

  const policy = parsePolicy(JSON.parse(await ok('policy', 'v1.json')));
  expect(policy.manifest).toMatchObject({
    pin: 'owners',
    service: 'chat.example',
    threshold: 2,
    minimum_serial: 1,
  });
  expect(parsePolicy(JSON.parse(await ok('policy', 'v1.json', '--pin', 'digest'))).manifest.pin).toBe(
    'digest',
  );

  const draft = JSON.parse(await ok('show', 'v1.json', '--draft')) as {
    reference_values: { worker: { vmpl: number }[] };
  };
  const [expected] = draft.reference_values.worker;
  await writeFile(
    at('change.json'),
    JSON.stringify({ reference_values: { worker: [{ ...expected, vmpl: 1 }] } }),
  );
  await ok('new', 'change.json', '--after', 'v1.json', '--out', 'v2.json');
  const changes = JSON.parse(await ok('diff', 'v1.json', 'v2.json', '--json')) as ManifestChange[];
  expect(changes.filter(({ effect }) => effect !== 'neutral')).toEqual([
    {
      path: 'reference_values.worker[0].vmpl',
      kind: 'changed',
      before: 0,
      after: 1,
      effect: 'weaker',
      words: 'privilege level (0 is the highest): 0 → 1',
    },
  ]);
  expect(await ok('sign', 'v2.json', '--key', 'carol.key.json', '--after', 'v1.json')).toContain('weaker');
  expect((await manifest('set', 'v2.json', '--folder', 'published')).code).toBe(5);
  await ok('sign', 'v2.json', '--key', 'alice.key.json', '--after', 'v1.json');
  await ok('verify', 'v2.json', '--after', 'v1.json');
  await ok('set', 'v2.json', '--folder', 'published');
  expect(await readFile(at('published/manifest.json'))).toEqual(await readFile(at('v2.json')));

  const verdict = JSON.parse(await ok('history', 'published', '--json')) as {
    ok: boolean;
    versions: unknown[];
  };
  expect([verdict.ok, verdict.versions.length]).toEqual([true, 2]);
  // Going back is not publishing.
  expect((await manifest('set', 'v1.json', '--folder', 'published')).code).toBe(5);
});

describe('refusals', () => {
  test.each([
    [['sine']],
    [['sign', 'v1.json']],
    [['new', 'draft.json']],
    [['new', 'draft.json', '--out', 'x.json']],
    [['new', 'draft.json', '--service', 's', ...OWNERS, '--threshold', '4', '--out', 'x.json']],
    [['diff', 'v1.json']],
    [['history', '.']],
    [['policy', 'v1.json', '--pin', 'nothing']],
    [['verify', 'absent.json']],
    [['show', 'v1.json', '--yes']],
  ])('%j is a usage error', async (words) => {
    const { code, out, err } = await manifest(...words);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^cloister: /);
  });
  test('somebody who is no owner cannot sign', async () => {
    await ok('key', 'new', 'mallory.key.json', '--name', 'mallory');
    const { code, err } = await manifest('sign', 'v1.json', '--key', 'mallory.key.json');
    expect([code, err.includes('no owner of this manifest')]).toEqual([2, true]);
  });
  test('one octet changed in what was signed is exit 4', async () => {
    const text = await readFile(at('v1.json'), 'utf8');
    await writeFile(at('forged.json'), text.replace('"threshold":2', '"threshold":1'));
    await writeFile(at('forged.signatures.json'), await readFile(at('v1.signatures.json')));
    for (const verb of ['verify', 'show', 'policy'])
      expect((await manifest(verb, 'forged.json')).code).toBe(4);
    expect((await manifest('set', 'forged.json', '--folder', 'published')).code).toBe(4);
    expect((await manifest('sign', 'forged.json', '--key', 'alice.key.json')).code).toBe(4);
  });
  test('a process of its own ends with the same exit codes', async () => {
    const run = (...words: readonly string[]) =>
      new Promise<number | null>((resolve) => {
        const child = spawn(process.execPath, [CLI, 'manifest', ...words], { cwd: folder, env: {} });
        child.on('close', resolve);
      });
    expect(await Promise.all([run('--help'), run('sine'), run('verify', 'forged.json')])).toEqual([0, 2, 4]);
  }, 60_000);
  test('--help shows every command', async () => {
    const help = await ok('--help');
    for (const verb of ['new', 'sign', 'set', 'diff', 'history', 'verify', 'show', 'key new', 'policy'])
      expect(help).toContain(`\n  ${verb} `);
  });
});
