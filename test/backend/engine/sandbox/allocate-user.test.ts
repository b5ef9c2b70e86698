// Users of sandboxes: one each, none that is in use, and what sharing one would do.

import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { allocateUser, USER_RANGE } from '../../../../backend/engine/sandbox/allocate-user.ts';
import { eventually, isGone } from './echo-engine.ts';
import { userOf } from './machine.ts';

const isRoot = process.getuid?.() === 0;
const needsRoot = isRoot ? '' : ' (skipped: not root)';
/** Of this test alone: other files allocate at the same time. */
const range = { first: USER_RANGE.first + 400, last: USER_RANGE.first + 402 };

describe.skipIf(process.platform !== 'linux')('a user of a sandbox', () => {
  it('is given to one at a time, and again when it was given back', async () => {
    const users = [await allocateUser(range), await allocateUser(range), await allocateUser(range)];
    expect(new Set(users.map(({ id }) => id)).size).toBe(3);
    await expect(allocateUser(range)).rejects.toMatchObject({ code: 'sandbox_unavailable' });
    const [one] = users;
    one?.release();
    await new Promise((resolve) => setImmediate(resolve));
    const again = await allocateUser(range);
    expect(again.id).toBe(one?.id);
    for (const user of [...users.slice(1), again]) user.release();
  });

  it('is not one whose name is squatted', async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) =>
      squatter.listen({ path: `\0cloister-user-${range.first}` }, resolve),
    );
    const user = await allocateUser(range);
    expect(user.id).toBe(range.first + 1);
    user.release();
    squatter.close();
  });

  it('has names in neither passwd nor group, and is below 65536', () => {
    expect(USER_RANGE.last).toBeLessThan(65_536);
    for (const table of ['passwd', 'group']) {
      const { stdout } = spawnSync('getent', [table, `${USER_RANGE.first}`], { encoding: 'utf8' });
      expect(stdout).toBe('');
    }
  });

  it.skipIf(!isRoot)(`is not one that a process still has${needsRoot}`, async () => {
    const left = spawn('/bin/sh', ['-c', 'read -r never'], { uid: range.first, gid: range.first, env: {} });
    const pid = left.pid ?? 0;
    await eventually(() => userOf(pid) === range.first, 2000);
    const user = await allocateUser(range);
    expect(user.id).toBe(range.first + 1);
    user.release();
    left.kill('SIGKILL');
    await eventually(() => isGone(pid), 2000);
  });

  // Why: with one user for all, the limit on processes of one sandbox counted those of every other one.
  it.skipIf(!isRoot)(`is not counted with another’s processes${needsRoot}`, () => {
    const make = (id: number) =>
      spawnSync('prlimit', ['--nproc=4:4', '/bin/sh', '-c', '/bin/true; echo made'], {
        uid: id,
        gid: id,
        env: { PATH: '/usr/bin:/bin' },
        encoding: 'utf8',
      }).stdout;
    const crowd = Array.from({ length: 4 }, () =>
      spawn('/bin/sh', ['-c', 'read -r never'], { uid: range.last, gid: range.last, env: {} }),
    );
    try {
      expect(make(range.first)).toBe('made\n');
      expect(make(range.last)).toBe('');
    } finally {
      for (const one of crowd) one.kill('SIGKILL');
    }
  });
});
