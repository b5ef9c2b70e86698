// A folder whose files exist in memory only, made for one process and gone with it; what a killed one left goes at the next start.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { WeightsLoadError } from './weights-load-error.ts';

/** A folder in memory. */
export interface MemoryFolder {
  readonly path: string;
  /** Whether it is a mount of its own with a size of its own, rather than a folder in a tmpfs that others use as well. */
  readonly isPrivate: boolean;
  /** Whether the kernel may write its pages to a swap device. */
  readonly maySwap: boolean;
  /** Modes of files in it: as tight as the users of this machine's sandboxes allow. */
  readonly fileMode: number;
  /** Removes everything in it, and it. Safe to call twice, and at the end of the process. */
  remove(): void;
}

/** `f_type` of statfs(2). */
const MEMORY_FILE_SYSTEMS: readonly number[] = [0x0102_1994, 0x8584_58f6];
const PARENTS = ['/dev/shm', '/run'];
const PREFIX = 'cloister-weights-';
const MOUNT_PROGRAMS = ['/usr/bin/mount', '/bin/mount'];
const UNMOUNT_PROGRAMS = ['/usr/bin/umount', '/bin/umount'];
/** Pages for the folder itself, in a mount of its own. */
const SPARE_OCTETS = 1 << 16;

/**
 * Makes the folder. Root mounts a tmpfs of this size, without swap where the kernel can (Linux 6.4); otherwise, and for other users, it is a
 * folder in /dev/shm or /run, whose file system is asked for its kind.
 *
 * Root's engines run as a user each, not known beforehand and in no group of root's: for them the folder may be entered but not listed,
 * and the file's name is random. For another user everything is its own: 0700 and 0400.
 * @param octets what the files in it will hold together.
 * @param parents where to look for a file system in memory.
 * @throws WeightsLoadError `weights_memory_unavailable`.
 */
export function makeMemoryFolder(octets: number, parents: readonly string[] = PARENTS): MemoryFolder {
  const parent = parents.find(isInMemory);
  if (parent === undefined) throw new WeightsLoadError('weights_memory_unavailable');
  sweepMemoryFolders(parent);
  const isRoot = process.getuid?.() === 0;
  const path = mkdtempSync(join(parent, `${PREFIX}${process.pid}-${startOf(process.pid)}-`));
  const mounted = isRoot ? mountTmpfs(path, octets) : undefined;
  const remove = (): void => removeMemoryFolder(path);
  try {
    chmodSync(path, isRoot ? 0o711 : 0o700);
    if (!isInMemory(path)) throw new WeightsLoadError('weights_memory_unavailable');
  } catch (error) {
    remove();
    throw error;
  }
  return {
    path,
    isPrivate: mounted !== undefined,
    maySwap: mounted !== 'noswap' && hasSwap(),
    fileMode: isRoot ? 0o444 : 0o400,
    remove,
  };
}

/** A file name that nobody guesses: 32 hex digits and the extension. */
export function unguessableName(extension: string): string {
  return `${randomBytes(16).toString('hex')}${extension}`;
}

/** Whether a path lies on a file system that keeps files in memory only (tmpfs or ramfs). */
export function isInMemory(path: string): boolean {
  try {
    return MEMORY_FILE_SYSTEMS.includes(statfsSync(path).type);
  } catch {
    return false;
  }
}

/** Removes the folders of processes that are gone. Only real folders of this user: anybody may use the prefix. */
export function sweepMemoryFolders(parent: string): void {
  for (const name of readdirSync(parent)) {
    const [, pid, start] = /^cloister-weights-(\d+)-(\d+)-/.exec(name) ?? [];
    if (pid === undefined || startOf(Number(pid)) === start) continue;
    const path = join(parent, name);
    const state = lstatSync(path, { throwIfNoEntry: false });
    if (state?.isDirectory() && state.uid === process.getuid?.()) removeMemoryFolder(path);
  }
}

function removeMemoryFolder(path: string): void {
  const state = lstatSync(path, { throwIfNoEntry: false });
  if (state === undefined) return;
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true });
  // Lazily: an engine that is just being ended keeps its pages until it is gone, and no longer.
  if (state.dev !== statSync(join(path, '..')).dev) run(UNMOUNT_PROGRAMS, ['-l', path]);
  rmdirSync(path);
}

function mountTmpfs(path: string, octets: number): 'noswap' | 'plain' | undefined {
  const size = Math.ceil(octets / 4096) * 4096 + SPARE_OCTETS;
  const options = `size=${size},mode=0711,nosuid,nodev,noexec`;
  const mount = (more: string) =>
    run(MOUNT_PROGRAMS, ['-t', 'tmpfs', '-o', options + more, 'cloister-weights', path]);
  if (mount(',noswap')) return 'noswap';
  return mount('') ? 'plain' : undefined;
}

function run(programs: readonly string[], args: readonly string[]): boolean {
  for (const program of programs)
    try {
      execFileSync(program, args, { env: {}, stdio: 'ignore' });
      return true;
    } catch {
      // not there, or refused: the next, or none
    }
  return false;
}

function hasSwap(): boolean {
  try {
    return readFileSync('/proc/swaps', 'utf8').trim().split('\n').length > 1;
  } catch {
    return true;
  }
}

/** When a process started, in clock ticks since boot (field 22 of /proc/<pid>/stat): tells it from a later one with its number. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
