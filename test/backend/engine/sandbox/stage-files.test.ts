import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canReach, isInMemory, stageFiles } from '../../../../backend/engine/sandbox/stage-files.ts';
import { sweepEmptyFiles, sweepLeftovers } from '../../../../backend/engine/sandbox/sweep-leftovers.ts';

const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;
let folder = '';

beforeEach(() => {
  // Where files are staged too: a link needs one file system, and /tmp is often another.
  folder = mkdtempSync('/var/tmp/cloister-test-');
  mkdirSync(join(folder, 'engine/lib'), { recursive: true });
  writeFileSync(join(folder, 'engine/lib/server.mjs'), 'server', { mode: 0o644 });
  symlinkSync('lib/server.mjs', join(folder, 'engine/main.mjs'));
  writeFileSync(join(folder, 'model.gguf'), 'weights', { mode: 0o600 });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!isRoot)('staging for another user (needs root)', () => {
  it('sees that a private folder on the way closes everything below it', () => {
    expect(canReach('/dev/null', NOBODY)).toBe(true);
    expect(canReach(join(folder, 'engine'), NOBODY)).toBe(false);
  });

  it('shows all declared places under one folder, with the former path below it', () => {
    const engine = join(folder, 'engine');
    const model = join(folder, 'model.gguf');
    const staged = stageFiles([engine, model, '/dev/null'].slice(0, 2), NOBODY);
    try {
      const place = staged.at(join(engine, 'main.mjs'));
      expect(place.endsWith(join(engine, 'main.mjs'))).toBe(true);
      expect(canReach(place, NOBODY)).toBe(true);
      expect(statSync(staged.at(join(engine, 'lib/server.mjs'))).ino).toBe(
        statSync(join(engine, 'lib/server.mjs')).ino,
      );
      // the 0600 file was copied, the linked one shares its inode
      expect(statSync(staged.at(model)).mode & 0o777).toBe(0o444);
      const read = spawnSync('/bin/cat', [place, staged.at(model)], { uid: NOBODY, gid: NOBODY });
      expect(read.stdout.toString()).toBe('serverweights');
      expect(staged.at('/elsewhere')).toBe('/elsewhere');
      expect(staged.inText(`{"model":"${model}","engine":"${engine}/main.mjs","not":"/x${model}"}`)).toBe(
        `{"model":"${staged.at(model)}","engine":"${staged.at(engine)}/main.mjs","not":"/x${model}"}`,
      );
    } finally {
      staged.remove();
    }
    expect(existsSync(staged.at(engine))).toBe(false);
    expect(existsSync(model)).toBe(true);
  });

  it('removes what a process that is gone has left', () => {
    const ended = spawnSync('/bin/true').pid;
    const leftover = `/var/tmp/cloister-stage-${ended}-abcdef`;
    mkdirSync(leftover);
    stageFiles(['/dev/null'], NOBODY);
    expect(readdirSync('/var/tmp')).not.toContain(`cloister-stage-${ended}-abcdef`);
  });
});

it('leaves reachable files where they are', () => {
  const staged = stageFiles(['/dev/null'], NOBODY);
  expect(staged.at('/dev/null')).toBe('/dev/null');
  expect(staged.inText('/dev/null')).toBe('/dev/null');
});

it('sweeps what a dead process left, and nothing else', () => {
  const parent = mkdtempSync('/tmp/cloister-test-');
  const gone = spawnSync('/bin/true').pid;
  const at = (name: string) => join(parent, name);
  for (const name of [`run-${gone}-a`, `run-${process.pid}-b`, `other-${gone}`, 'run-x']) mkdirSync(at(name));
  for (const name of [`mark-${gone}-a`, `mark-${process.pid}-b`]) writeFileSync(at(name), '');
  writeFileSync(at(`mark-${gone}-full`), 'somebody’s');
  writeFileSync(at(`run-${gone}-file`), '');
  sweepLeftovers(parent, 'run-');
  sweepEmptyFiles(parent, 'mark-');
  expect(readdirSync(parent).sort()).toEqual(
    [
      `mark-${gone}-full`,
      `mark-${process.pid}-b`,
      `other-${gone}`,
      `run-${gone}-file`,
      `run-${process.pid}-b`,
      'run-x',
    ].sort(),
  );
  sweepLeftovers(join(parent, 'not there'), 'run-');
  rmSync(parent, { recursive: true });
});

const memory = ['/dev/shm', '/run'].find((folder) => existsSync(folder) && isInMemory(folder));
const apart =
  memory === undefined || isInMemory('/var/tmp') ? ' (skipped: no memory-backed folder beside /var/tmp)' : '';
it.skipIf(apart !== '' || process.getuid?.() !== 0)(
  `never copies to disk what lies in memory, as decrypted weights do${apart}`,
  () => {
    const folder = mkdtempSync(join(memory ?? '/', 'cloister-test-'));
    writeFileSync(join(folder, 'weights'), 'plain', { mode: 0o400 });
    expect(() => stageFiles([join(folder, 'weights')], NOBODY)).toThrow(
      expect.objectContaining({ code: 'sandbox_unavailable' }),
    );
    rmSync(folder, { recursive: true });
  },
);

it.skipIf(apart !== '' || process.getuid?.() !== 0)(
  `leaves a readable file in memory where it is while others are staged${apart}`,
  () => {
    const reachable = mkdtempSync(join(memory ?? '/', 'cloister-test-'));
    const closed = mkdtempSync('/var/tmp/cloister-test-');
    try {
      chmodSync(reachable, 0o711);
      const weights = join(reachable, 'weights');
      writeFileSync(weights, 'plain', { mode: 0o444 });
      writeFileSync(join(closed, 'server.mjs'), 'server');
      const staged = stageFiles([weights, join(closed, 'server.mjs')], NOBODY);
      expect(staged.at(weights)).toBe(weights);
      expect(staged.inText(`--model=${weights}`)).toBe(`--model=${weights}`);
      expect(staged.at(join(closed, 'server.mjs'))).not.toBe(join(closed, 'server.mjs'));
      staged.remove();
      expect(existsSync(weights)).toBe(true);
    } finally {
      for (const folder of [reachable, closed]) rmSync(folder, { recursive: true });
    }
  },
);
