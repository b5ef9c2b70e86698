// Temporary folders that name the process that made them, so that the next start can remove what a killed one left.

import { lstatSync, mkdtempSync, readdirSync, rmSync, type Stats } from 'node:fs';
import { join } from 'node:path';

/** A fresh folder of this process: prefix, process id, random letters. Mode 0700. */
export function makeOwnedFolder(parent: string, prefix: string): string {
  return mkdtempSync(join(parent, `${prefix}${process.pid}-`));
}

/**
 * Removes folders with the prefix whose process is gone. Only real folders of this user: the parents are everybody's, and
 * anybody may use the prefix.
 */
export function sweepLeftovers(parent: string, prefix: string): void {
  for (const { path, stats } of findLeftovers(parent, prefix))
    if (stats.isDirectory() && stats.uid === process.getuid?.())
      rmSync(path, { recursive: true, force: true });
}

/** Removes empty files with the prefix whose process is gone: what a probe left that was killed. A file with anything in it is not ours. */
export function sweepEmptyFiles(parent: string, prefix: string): void {
  for (const { path, stats } of findLeftovers(parent, prefix))
    if (stats.isFile() && stats.size === 0)
      try {
        rmSync(path);
      } catch {
        // another user's, in a folder where only its owner may remove it
      }
}

function findLeftovers(parent: string, prefix: string): { readonly path: string; readonly stats: Stats }[] {
  const found = [];
  for (const name of readNames(parent)) {
    const owner = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
    if (Number.isNaN(owner) || isAlive(owner)) continue;
    const path = join(parent, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats !== undefined) found.push({ path, stats });
  }
  return found;
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Whether a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
