// Encrypted weights on their way into memory: what is refused, what is left behind, and when the engine could see anything.

import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  type EncryptedWeights,
  type LoadingMachine,
  loadEncryptedWeights,
} from '../../../../backend/engine/weights/load-encrypted-weights.ts';
import {
  isInMemory,
  makeMemoryFolder,
  sweepMemoryFolders,
} from '../../../../backend/engine/weights/memory-folder.ts';
import { configuredSecrets } from '../../../../backend/engine/weights/secret-source.ts';
import { formatWeightKey } from '../../../../shared/weights/weight-key.ts';
import { CHUNK, random, SEALED_CHUNK, seal } from '../../../shared/weights/in-memory.ts';

const SHM = '/dev/shm';
const inMemory = isInMemory(SHM);
const isRoot = process.getuid?.() === 0;
const folder = mkdtempSync(join(tmpdir(), 'cloister-load-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const key = random(32);
const plaintext = Buffer.from(random(5 * CHUNK + 9));
const sealed = await seal(plaintext, key);
const deployed = { sha256: createHash('sha256').update(plaintext).digest('hex'), bytes: plaintext.length };
const path = join(folder, 'sealed');
writeFileSync(path, sealed);

const weights = (over: Partial<EncryptedWeights> = {}): EncryptedWeights => ({
  path,
  deployed,
  keyName: 'weights',
  secrets: { weightKey: async () => Uint8Array.from(key) },
  ...over,
});
const ours = () => readdirSync(SHM).filter((name) => name.startsWith(`cloister-weights-${process.pid}-`));
const withFile = (content: Uint8Array): Partial<EncryptedWeights> => {
  const changed = join(folder, 'changed');
  writeFileSync(changed, content);
  return { path: changed };
};

describe.skipIf(!inMemory)('weights that are loaded (skipped without a tmpfs on /dev/shm)', () => {
  test('are the plaintext, in memory, under a name that nobody guesses, and gone when removed', async () => {
    const progress: number[] = [];
    const loaded = await loadEncryptedWeights(
      weights({
        onProgress: (done, total) => {
          progress.push(done);
          expect(total).toBe(plaintext.length);
          // Nothing with the final name is there before the last chunk was verified.
          const [place = ''] = ours();
          expect(readdirSync(join(SHM, place)).every((name) => name.endsWith('.part'))).toBe(true);
        },
      }),
    );
    expect(readFileSync(loaded.path).equals(plaintext)).toBe(true);
    expect(statfsSync(loaded.path).type).toBe(0x0102_1994);
    expect(loaded.path).toMatch(/\/[0-9a-f]{32}\.gguf$/);
    expect(statSync(loaded.path).mode & 0o777).toBe(isRoot ? 0o444 : 0o400);
    expect(statSync(dirname(loaded.path)).mode & 0o777).toBe(isRoot ? 0o711 : 0o700);
    expect(progress.at(-1)).toBe(plaintext.length);
    expect(progress.length).toBe(6);
    loaded.remove();
    loaded.remove();
    expect(ours()).toEqual([]);
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(dirname(loaded.path));
  });

  test.skipIf(!isRoot)(
    'lie in a mount of their own that holds no more than them (skipped when not root)',
    () => {
      const made = makeMemoryFolder(10 * CHUNK);
      try {
        if (!made.isPrivate) return;
        writeFileSync(join(made.path, 'fits'), Buffer.alloc(10 * CHUNK));
        expect(() => writeFileSync(join(made.path, 'more'), Buffer.alloc(2 ** 20))).toThrow(/ENOSPC/);
        expect(readFileSync('/proc/mounts', 'utf8')).toMatch(new RegExp(`${made.path} tmpfs .*noexec`));
      } finally {
        made.remove();
      }
    },
  );

  test('the key is overwritten after use', async () => {
    const given = Uint8Array.from(key);
    const loaded = await loadEncryptedWeights(weights({ secrets: { weightKey: async () => given } }));
    loaded.remove();
    expect(given).toEqual(new Uint8Array(32));
  });
});

describe.skipIf(!inMemory)('refused, with nothing left in memory', () => {
  const other = random(32);
  const cases: [string, string, () => Partial<EncryptedWeights>][] = [
    ['no file', 'weights_missing', () => ({ path: join(folder, 'none') })],
    ['plain weights', 'weights_header_malformed', () => withFile(plaintext)],
    ['an empty file', 'weights_truncated', () => withFile(Buffer.alloc(0))],
    [
      'another digest in the deployment',
      'weights_not_as_deployed',
      () => ({ deployed: { ...deployed, sha256: '0'.repeat(64) } }),
    ],
    [
      'another size in the deployment',
      'weights_not_as_deployed',
      () => ({ deployed: { ...deployed, bytes: 1 } }),
    ],
    ['a cut file', 'weights_truncated', () => withFile(sealed.subarray(0, 112 + SEALED_CHUNK))],
    ['more at the end', 'weights_trailing_octets', () => withFile(Buffer.concat([sealed, Buffer.of(0)]))],
    [
      'the wrong key',
      'weights_key_wrong',
      () => ({ secrets: { weightKey: async () => Uint8Array.from(other) } }),
    ],
    [
      'a flipped bit in the last chunk',
      'weights_chunk_forged',
      () => {
        const flipped = Buffer.from(sealed);
        flipped[flipped.length - 20] = (flipped.at(-20) as number) ^ 1;
        return withFile(flipped);
      },
    ],
    [
      'swapped chunks',
      'weights_chunk_forged',
      () => {
        const at = (chunk: number) =>
          sealed.subarray(112 + chunk * SEALED_CHUNK, 112 + (chunk + 1) * SEALED_CHUNK);
        return withFile(
          Buffer.concat([sealed.subarray(0, 112), at(1), at(0), sealed.subarray(112 + 2 * SEALED_CHUNK)]),
        );
      },
    ],
    ['no key', 'weights_key_unavailable', () => ({ secrets: configuredSecrets({}) })],
  ];
  test.each(cases)('%s: %s', async (_, code, change) => {
    await expect(loadEncryptedWeights(weights(change()))).rejects.toMatchObject({ code });
    expect(ours()).toEqual([]);
  });

  test('chunks of the key’s holder that are not what the header says', async () => {
    const lie = await seal(Buffer.from(random(plaintext.length)), key, {
      sha256: new Uint8Array(Buffer.from(deployed.sha256, 'hex')),
    });
    await expect(loadEncryptedWeights(weights(withFile(lie)))).rejects.toMatchObject({
      code: 'weights_digest_mismatch',
    });
    expect(ours()).toEqual([]);
  });

  test('an abort in the middle', async () => {
    const abort = new AbortController();
    const onProgress = (done: number) => done > 2 * CHUNK && abort.abort(new Error('stopped'));
    await expect(loadEncryptedWeights(weights({ onProgress, signal: abort.signal }))).rejects.toThrow(
      'stopped',
    );
    expect(ours()).toEqual([]);
  });

  test('too little memory, before the key is asked for, with both sizes', async () => {
    const machine: LoadingMachine = {
      availableMemory: () => 256 * 2 ** 20 + plaintext.length - 1,
      makeFolder: () => expect.fail('made a folder'),
    };
    const secrets = { weightKey: () => expect.fail('asked for the key') };
    await expect(loadEncryptedWeights(weights({ secrets }), machine)).rejects.toMatchObject({
      code: 'weights_memory_short',
      message: expect.stringMatching(/need \d+ MB, \d+ MB are left/),
    });
  });

  test('a disk where memory was expected', () => {
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    if (isInMemory(disk)) return;
    expect(() => makeMemoryFolder(1, [disk, '/nowhere'])).toThrow(
      expect.objectContaining({ code: 'weights_memory_unavailable' }),
    );
    expect(readdirSync(disk)).toEqual([]);
  });
});

describe.skipIf(!inMemory)('what a killed process leaves', () => {
  test('is removed by the next start, and what a living one has is not', async () => {
    const script = `
      const { makeMemoryFolder } = await import(${JSON.stringify(new URL('../../../../backend/engine/weights/memory-folder.ts', import.meta.url))});
      const { writeFileSync } = await import('node:fs');
      const made = makeMemoryFolder(4096);
      writeFileSync(made.path + '/weights', 'plain');
      console.log(made.path);
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script]);
    const left = await new Promise<string>((resolve) =>
      child.stdout.once('data', (data) => resolve(`${data}`.trim())),
    );
    sweepMemoryFolders(SHM);
    expect(existsSync(join(left, 'weights'))).toBe(true);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    expect(existsSync(join(left, 'weights'))).toBe(true);
    sweepMemoryFolders(SHM);
    expect(existsSync(left)).toBe(false);
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(left);
  });
});

describe('the key from the node’s configuration', () => {
  const text = formatWeightKey(key);
  const file = join(folder, 'key');
  writeFileSync(file, text, { mode: 0o600 });

  test('comes from a file', async () => {
    expect(await configuredSecrets({ weights: { file } }).weightKey('weights')).toEqual(key);
  });

  test('comes from a descriptor, once', async () => {
    const script = `
      const { configuredSecrets } = await import(${JSON.stringify(new URL('../../../../backend/engine/weights/secret-source.ts', import.meta.url))});
      const secrets = configuredSecrets({ weights: { fd: 3 } });
      const key = await secrets.weightKey('weights');
      const again = await secrets.weightKey('weights').catch((error) => error.code);
      console.log(Buffer.from(key).toString('hex'), again);`;
    const pipe = join(folder, 'pipe');
    writeFileSync(pipe, text, { mode: 0o600 });
    const descriptor = openSync(pipe, 'r');
    const { stdout } = spawnSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'pipe', descriptor],
      encoding: 'utf8',
    });
    closeSync(descriptor);
    expect(stdout.trim()).toBe(`${Buffer.from(key).toString('hex')} weights_key_unavailable`);
  });

  test('is refused when others can read its file, when it is none, when it is not there or has another name', async () => {
    const exposed = join(folder, 'exposed');
    writeFileSync(exposed, text);
    chmodSync(exposed, 0o604);
    const wrong = join(folder, 'wrong');
    const descriptor = openSync(wrong, 'w', 0o600);
    writeSync(descriptor, randomBytes(300));
    closeSync(descriptor);
    const codeFor = (place: { file: string }, name = 'weights') =>
      configuredSecrets({ weights: place })
        .weightKey(name)
        .catch((error) => error.code);
    expect(await codeFor({ file: exposed })).toBe('weights_key_exposed');
    expect(await codeFor({ file: wrong })).toBe('weights_key_malformed');
    expect(await codeFor({ file: join(folder, 'none') })).toBe('weights_key_unavailable');
    expect(await codeFor({ file }, 'other')).toBe('weights_key_unavailable');
    expect(await codeFor({ file }, 'toString')).toBe('weights_key_unavailable');
  });
});
