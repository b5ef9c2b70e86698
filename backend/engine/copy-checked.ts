// Copies a program's file, and keeps the copy only if it has the digest that was named: what was checked is what runs.

import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EngineError } from './engine-error.ts';
import { hashFile } from './weights/hash-file.ts';

/** A file of an engine, and its digest. */
export interface CheckedFile {
  /** Absolute. */
  readonly path: string;
  /** Lower-case hex. */
  readonly sha256: string;
}

/**
 * Copies into a folder that only this user can write, then hashes the copy: whoever owns the original can change it as they like.
 * @throws EngineError `engine_program_mismatch`, also for a file that cannot be read; nothing is left at `target` then
 */
export async function copyChecked({ path, sha256 }: CheckedFile, target: string): Promise<void> {
  let found: string;
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await rm(target, { force: true });
    await copyFile(path, target);
    await chmod(target, 0o555);
    found = await hashFile(target);
  } catch {
    throw new EngineError('engine_program_mismatch', 'A file of the engine’s program cannot be copied.');
  }
  if (found === sha256) return;
  await rm(target, { force: true });
  throw new EngineError(
    'engine_program_mismatch',
    `The SHA-256 of a file of the engine’s program is ${found}, expected ${sha256}.`,
  );
}

/** SHA-256, lower-case hex, of a label, a zero octet, and a line for each part: what names an engine in a deployment. */
export function digestParts(label: string, parts: readonly string[]): string {
  return createHash('sha256')
    .update(`${label}\0${parts.map((part) => `${part}\n`).join('')}`)
    .digest('hex');
}
