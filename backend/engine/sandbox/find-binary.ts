// Finds the program of a driver in the folders of the system, and what it needs of the machine.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { SandboxError } from './sandbox-error.ts';

/** The program of a driver. */
export interface DriverBinary {
  readonly path: string;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** Never PATH: who sets the environment must not choose the sandbox. */
const FOLDERS = ['/usr/bin', '/usr/local/bin', '/bin'];
const NOBODY = 65534;
const TRIAL_MS = 10_000;

const USER_NAMESPACES = [
  'this machine lets no ordinary user make a namespace, which bubblewrap needs: set sysctl user.max_user_namespaces above 0',
  '(Debian: kernel.unprivileged_userns_clone=1), on Ubuntu load the AppArmor profile bwrap-userns-restrict, in a container use',
  'a seccomp profile that allows unshare and mount',
].join(' ');

let bubblewrap: DriverBinary | undefined;
let gvisor: DriverBinary | undefined;

/**
 * bubblewrap, tried once in this process: the trial makes the namespaces as the user that the engine will have.
 * @throws SandboxError `sandbox_unavailable`, with the remedy
 */
export function requireBubblewrap(): DriverBinary {
  if (bubblewrap !== undefined) return bubblewrap;
  const found = findBinary('bwrap', 'bubblewrap is missing: install the package bubblewrap, 0.8 or later');
  const options = ['--unshare-all', '--unshare-user', '--disable-userns', '--ro-bind', '/', '/'];
  const trial = spawnSync(found.path, [...options, '/bin/sh', '-c', 'exit 0'], {
    cwd: '/',
    env: {},
    timeout: TRIAL_MS,
    encoding: 'latin1',
    ...(process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}),
  });
  if (trial.status !== 0)
    throw new SandboxError(
      'sandbox_unavailable',
      trial.stderr?.includes('--disable-userns') === true && trial.stderr.includes('Unknown option')
        ? 'bubblewrap is too old: install 0.8 or later, which can forbid nested user namespaces'
        : USER_NAMESPACES,
    );
  bubblewrap = found;
  return found;
}

/**
 * gVisor's runsc.
 * @throws SandboxError `sandbox_unavailable`, with the remedy
 */
export function requireGvisor(): DriverBinary {
  if (gvisor !== undefined) return gvisor;
  const found = findBinary('runsc', 'gVisor is missing: install runsc (on Debian the package runsc)');
  if (process.getuid?.() !== 0)
    throw new SandboxError(
      'sandbox_unavailable',
      'gVisor’s channel is a mount of its own: start the adapter as uid 0, or use bubblewrap or landlock',
    );
  gvisor = found;
  return found;
}

/**
 * A program that only root can have put there.
 * @throws SandboxError `sandbox_unavailable` with `missing` as the message, or where others may write it
 */
export function findBinary(
  name: string,
  missing: string,
  folders: readonly string[] = FOLDERS,
  owner = 0,
): DriverBinary {
  for (const folder of folders) {
    const path = `${folder}/${name}`;
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats?.isFile() !== true) continue;
    if (stats.uid !== owner || (stats.mode & 0o022) !== 0)
      throw new SandboxError('sandbox_unavailable', `${path} is not root’s alone to write: reinstall it`);
    return { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') };
  }
  throw new SandboxError('sandbox_unavailable', missing);
}
