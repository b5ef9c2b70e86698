// Gives each sandbox of a root caller a user and group of its own, so that limits and signals of one never count for another.

import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { SandboxError } from './sandbox-error.ts';

/**
 * The ids that are given out, as user and as group: 60600 to 61099. systemd's table of users and groups leaves 60578 to 61183 unused;
 * they lie below 65536, so that a container which maps no more than that has them too. Ids that /etc/passwd or /etc/group name are passed
 * over.
 */
export const USER_RANGE = { first: 60_600, last: 61_099 } as const;

/** A user that no other process has. */
export interface SandboxUser {
  readonly id: number;
  /** Call when no process of it is left. It is free by itself when this process ends. */
  release(): void;
}

/**
 * Takes the first id of the range that nobody holds and no process has. What holds it is an abstract Unix socket of its name, which the
 * kernel removes with this process, however that ends; a process that squats the name makes its id be passed over, and no more.
 * @throws SandboxError `sandbox_unavailable` where all are taken
 */
export async function allocateUser(
  range: { first: number; last: number } = USER_RANGE,
): Promise<SandboxUser> {
  const named = namedIds();
  for (let id = range.first; id <= range.last; id++) {
    if (named.has(id)) continue;
    const lock = await hold(id);
    if (lock === undefined) continue;
    // looked for after it is held: what an earlier holder left behind
    if (!idsOfProcesses().has(id)) return { id, release: () => lock.close() };
    lock.close();
  }
  throw new SandboxError(
    'sandbox_unavailable',
    `no user from ${range.first} to ${range.last} is free: another adapter holds them all`,
  );
}

function hold(id: number): Promise<Server | undefined> {
  const lock = createServer((socket) => socket.destroy());
  lock.unref();
  return new Promise((resolve) => {
    lock.once('error', () => resolve(undefined));
    lock.listen({ path: `\0cloister-user-${id}` }, () => resolve(lock));
  });
}

/** Real, effective, saved and file system user of every process (proc_pid_status(5)). */
function idsOfProcesses(): Set<number> {
  const found = new Set<number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const [, ids = ''] = /^Uid:\t([\d\t]+)$/m.exec(readFileSync(`/proc/${name}/status`, 'latin1')) ?? [];
      for (const id of ids.split('\t')) found.add(Number(id));
    } catch {
      // gone meanwhile
    }
  }
  return found;
}

function namedIds(): Set<number> {
  const found = new Set<number>();
  for (const file of ['/etc/passwd', '/etc/group'])
    try {
      for (const line of readFileSync(file, 'latin1').split('\n')) found.add(Number(line.split(':')[2]));
    } catch {
      // an image without one names nobody
    }
  return found;
}
