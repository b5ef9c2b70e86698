// Makes declared files reachable for the sandbox's user where they lie behind a folder that only root may enter.

import {
  chmodSync,
  constants,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  type Stats,
  statfsSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { SandboxError } from './sandbox-error.ts';
import { makeOwnedFolder, sweepLeftovers } from './sweep-leftovers.ts';

const STAGE_PARENT = '/var/tmp';
const STAGE_PREFIX = 'cloister-stage-';

/** Files at the places where the sandbox's user finds them. */
export interface StagedFiles {
  /** The place of a declared path, or of any path below one; unchanged where nothing was staged. */
  at(path: string): string;
  /** The same for every declared path that occurs in a text (an argument, a value of the environment). */
  inText(text: string): string;
  remove(): void;
}

/**
 * Leaves everything where it is when the user can reach all of it. Otherwise all declared places (so that relative imports
 * among them keep working) appear under one fresh folder in /var/tmp with their whole former path below it: by hard link, or
 * by copy where the file system differs or the user could not read the file. Files in memory are never copied to a disk. Folders are judged by themselves and their
 * parents, not file by file.
 * @param user the user that must read them; undefined: the caller itself, and nothing is staged
 */
export function stageFiles(paths: readonly string[], user: number | undefined): StagedFiles {
  sweepLeftovers(STAGE_PARENT, STAGE_PREFIX);
  if (user === undefined || paths.every((path) => canReach(path, user)))
    return { at: (path) => path, inText: (text) => text, remove: () => {} };
  const root = makeOwnedFolder(STAGE_PARENT, STAGE_PREFIX);
  chmodSync(root, 0o755);
  // a file in memory that the user can read stays there: on a disk it would outlive the engine
  const declared = [...new Set(paths.map((path) => resolve(path)))]
    .filter((path) => !(isInMemory(path) && statSync(path).isFile() && canReach(path, user)))
    .sort((a, b) => b.length - a.length);
  const remove = () => rmSync(root, { recursive: true, force: true });
  try {
    // a place inside one that is staged anyway comes with it
    for (const path of declared)
      if (!declared.some((other) => other !== path && path.startsWith(`${other}/`)))
        placeTree(path, root, user);
  } catch (error) {
    remove();
    throw error;
  }
  const within = (path: string) => declared.some((place) => path === place || path.startsWith(`${place}/`));
  return {
    at: (path) => (within(resolve(path)) ? root + resolve(path) : path),
    inText: (text) => {
      let changed = text;
      // longest first; a place already behind the new root is not touched twice
      for (const place of declared) changed = changed.replace(occurrence(place), (match) => root + match);
      return changed;
    },
    remove,
  };
}

/** Whether a user without groups may enter every folder on the way and read what is at the end. */
export function canReach(path: string, user: number): boolean {
  const absolute = resolve(path);
  for (let folder = dirname(absolute); ; folder = dirname(folder)) {
    if (!allows(statSync(folder), user, constants.X_OK)) return false;
    if (folder === '/') break;
  }
  const last = statSync(absolute);
  return allows(last, user, last.isDirectory() ? constants.R_OK | constants.X_OK : constants.R_OK);
}

function allows(stats: Stats, user: number, wanted: number): boolean {
  const shift = stats.uid === user ? 6 : stats.gid === user ? 3 : 0;
  return ((stats.mode >> shift) & wanted) === wanted;
}

function placeTree(source: string, root: string, user: number): void {
  const target = root + source;
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  const stats = lstatSync(source);
  if (stats.isSymbolicLink() && !statSync(source).isDirectory())
    placeFile(source, target, user, statSync(source));
  else placeEntry(source, target, user);
}

function placeEntry(source: string, target: string, user: number): void {
  const stats = lstatSync(source);
  if (stats.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
  else if (stats.isDirectory()) {
    mkdirSync(target, { recursive: true, mode: 0o755 });
    for (const name of readdirSync(source)) placeEntry(join(source, name), join(target, name), user);
  } else if (stats.isFile()) placeFile(source, target, user, stats);
}

function placeFile(source: string, target: string, user: number, stats: Stats): void {
  if (allows(stats, user, constants.R_OK) && !lstatSync(source).isSymbolicLink()) {
    try {
      linkSync(source, target);
      return;
    } catch {
      // another file system: copied below
    }
  }
  if (isInMemory(source) && !isInMemory(dirname(target)))
    throw new SandboxError(
      'sandbox_unavailable',
      'a declared file in memory would have to be copied to disk: put it where the engine’s user may read it',
    );
  copyFileSync(source, target, constants.COPYFILE_FICLONE);
  chmodSync(target, stats.mode & 0o111 ? 0o555 : 0o444);
}

/** Whether a path lies on tmpfs or ramfs (statfs(2)): decrypted weights do, and must never reach a disk. */
export function isInMemory(path: string): boolean {
  return [0x01021994, 0x858458f6].includes(statfsSync(path).type);
}

function occurrence(place: string): RegExp {
  const literal = place.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(?<![\\w./-])${literal}(?=$|[/"'\\s,:;)\\]}])`, 'g');
}
