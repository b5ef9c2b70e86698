// Finds the program that bubblewrap started, makes sure that its namespaces are its own, and pins its private socket.

import { readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { rootNames } from './bubblewrap-line.ts';
import { pinSocket } from './pin-socket.ts';
import type { Profile } from './profile.ts';
import { SandboxError } from './sandbox-error.ts';
import { type EngineExit, PRIVATE_SOCKET } from './sandboxed-engine.ts';
import type { OwnWorld, Purpose, Started } from './spawn-launcher.ts';

/** Its name in /proc. */
const BUBBLEWRAP = 'bwrap';
const POLL_MS = 2;
const START_MS = 20_000;
const LISTEN_MS = 120_000;

/**
 * @param told what bubblewrap said: JSON with the id of its first process inside (bwrap(1), --info-fd)
 * @param complaint what it said on its standard error so far, if it complained
 * @throws SandboxError `sandbox_start_failed` where the program did not come to run, or did not listen in time
 */
export async function adoptBubblewrapped(
  told: string,
  profile: Profile,
  exited: Promise<EngineExit>,
  purpose: Purpose,
  complaint: () => string | undefined,
): Promise<Started> {
  const init = readChildPid(told);
  let ended = false;
  void exited.then(() => {
    ended = true;
  });
  const until = async <T>(found: () => T | undefined, milliseconds: number, what: string): Promise<T> => {
    for (const end = performance.now() + milliseconds; ; await sleep(POLL_MS)) {
      const value = found();
      if (value !== undefined) return value;
      if (ended || performance.now() > end)
        throw new SandboxError(
          'sandbox_start_failed',
          `bubblewrap ${ended ? 'ended' : 'did not come'} at ${what}: ${complaint() ?? 'it said nothing'}`,
        );
    }
  };
  const pid = await until(() => findProgram(init), START_MS, 'the program');
  const own: OwnWorld = {
    rootNames: profile.bubblewrap !== undefined && isOwn(pid, 'mnt') ? rootNames(profile.bubblewrap) : [],
    network: isOwn(pid, 'net'),
    processes: isOwn(pid, 'pid'),
    kernel: false,
  };
  if (profile.kind === 'fd' || purpose === 'probe') return { pid, own, release: () => {} };
  const pinned = await until(
    () => pinSocket(`/proc/${pid}/root${PRIVATE_SOCKET}`),
    LISTEN_MS,
    'its private socket',
  );
  return { pid, own, socketPath: pinned.path, release: pinned.release };
}

function readChildPid(told: string): number {
  try {
    const { 'child-pid': pid } = JSON.parse(told) as { readonly 'child-pid'?: unknown };
    if (typeof pid === 'number' && Number.isSafeInteger(pid) && pid > 1) return pid;
  } catch {
    // reported below
  }
  throw new SandboxError('sandbox_start_failed', 'bubblewrap did not say what it started');
}

// bubblewrap's first process inside has one child; that is bubblewrap too until it becomes the program.
function findProgram(init: number): number | undefined {
  try {
    const read = (id: number) => readFileSync(`/proc/${id}/comm`, 'latin1').trim();
    const name = read(init);
    // without a process namespace there is no first process of bubblewrap's; what the probe then finds decides
    if (name !== BUBBLEWRAP) return init;
    const [child] = readFileSync(`/proc/${init}/task/${init}/children`, 'latin1').trim().split(' ');
    const pid = Number(child);
    if (!(pid > 1)) return undefined;
    return read(pid) === name ? undefined : pid;
  } catch {
    return undefined;
  }
}

/** Whether a namespace of a process (namespaces(7)) is another than this process's. False where nobody may look. */
export function isOwn(pid: number, namespace: 'ipc' | 'mnt' | 'net' | 'pid' | 'user' | 'uts'): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/${namespace}`) !== readlinkSync(`/proc/self/ns/${namespace}`);
  } catch {
    return false;
  }
}
