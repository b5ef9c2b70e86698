// Looks for a secret everywhere on this machine where a process could leave it for another: files, memory-backed ones, cores, what /proc tells.

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { findSecret } from './find-secret.ts';

const LARGEST_FILE_OCTETS = 64 * 1024 * 1024;
/** Packages and history: large, and nothing that runs writes there. */
const SKIPPED = new Set(['node_modules', '.git']);
/** What /proc shows of a process to others. */
const SHOWN = ['cmdline', 'environ', 'comm'];

/** Where a secret was found, and in which form. */
export interface Finding {
  readonly place: string;
  readonly form: string;
}

/** Everywhere that can be written without asking, and everywhere that is memory which a swap would write to a disk. */
export function writablePlaces(...more: readonly string[]): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'latin1')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'tmpfs' || type === 'ramfs')
    .flatMap(([, path]) =>
      path === undefined || path.startsWith('/sys') || path.startsWith('/proc') ? [] : [path],
    );
  return [
    ...new Set([
      tmpdir(),
      '/tmp',
      '/var/tmp',
      '/dev/shm',
      '/run',
      '/var/log',
      '/var/crash',
      ...corePlaces(),
      ...mounts,
      ...more,
    ]),
  ];
}

/** Folders where the kernel, or the program that it feeds, puts cores (core(5)). */
export function corePlaces(): string[] {
  const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'latin1').trim();
  const named = pattern.startsWith('/') ? [dirname(pattern)] : [];
  return [...named, '/var/lib/systemd/coredump', '/var/lib/apport/coredump'];
}

/** Searches files changed since `since` (milliseconds) below the places, and every process by what is shown of it. */
export async function searchMachine(
  secret: string | Buffer,
  { since, places }: { readonly since: number; readonly places: readonly string[] },
): Promise<Finding[]> {
  const found: Finding[] = [];
  const needles = needlesOf(secret);
  const lookQuickly = (octets: Buffer, place: string): void => {
    if (needles.some((needle) => octets.includes(needle))) found.push({ place, form: 'plain' });
  };
  // files may be packed
  const look = (octets: Buffer, place: string): void => {
    if (typeof secret !== 'string') lookQuickly(octets, place);
    else for (const form of findSecret(octets, secret)) found.push({ place, form });
  };
  const seen = new Set<string>();
  for (const place of places) await searchFolder(place, since, seen, look, lookQuickly);
  // cores without a folder in their pattern: where a process stood
  for (const name of namesIn('/')) if (name.startsWith('core')) lookAt(join('/', name), since, look);
  for (const pid of namesIn('/proc').filter((name) => /^\d+$/.test(name))) {
    await nextTurn();
    for (const part of SHOWN) lookQuickly(readQuietly(`/proc/${pid}/${part}`), `/proc/${pid}/${part}`);
    const standing = linkOf(`/proc/${pid}/cwd`);
    if (standing === undefined) continue;
    for (const name of namesIn(standing))
      if (/^core(\.|$)/.test(name)) lookAt(join(standing, name), since, look);
  }
  lookQuickly(readQuietly('/proc/keys'), 'the keyring');
  return found;
}

/** As it is, in hex, and in base64 wherever it begins in a group of three. */
function needlesOf(secret: string | Buffer): Buffer[] {
  const raw = Buffer.from(secret as string);
  const inBase64 = [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), raw])
      .toString('base64')
      .slice(before === 0 ? 0 : 4, -4),
  );
  return [raw, ...[raw.toString('hex'), ...inBase64].map((text) => Buffer.from(text))];
}

async function searchFolder(
  folder: string,
  since: number,
  seen: Set<string>,
  look: (octets: Buffer, place: string) => void,
  lookQuickly: (octets: Buffer, place: string) => void,
): Promise<void> {
  if (seen.has(folder)) return;
  // whoever searches may be a hop of what is searched
  await nextTurn();
  seen.add(folder);
  for (const entry of entriesIn(folder)) {
    const path = join(folder, entry.name);
    // a name is a file, too
    lookQuickly(Buffer.from(entry.name), `the name of ${path}`);
    if (entry.isDirectory() && !SKIPPED.has(entry.name))
      await searchFolder(path, since, seen, look, lookQuickly);
    else if (entry.isFile()) lookAt(path, since, look);
  }
}

function lookAt(path: string, since: number, look: (octets: Buffer, place: string) => void): void {
  const state = statSync(path, { throwIfNoEntry: false });
  if (state === undefined || !state.isFile() || state.mtimeMs < since - 1000) return;
  if (state.size <= LARGEST_FILE_OCTETS) look(readQuietly(path), path);
}

function entriesIn(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function readQuietly(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}
