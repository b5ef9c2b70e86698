// A file of secrets that is made at its first use and read ever after, by however many processes at once.

import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';

/**
 * The text of a file with mode 0600, in a folder with mode 0700; what `make` gives where there is none yet.
 * @throws system errors as they come.
 */
export async function readOrMake(
  path: string,
  make: () => Promise<string>,
  random: (octets: number) => Bytes,
): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const found = await readOrUndefined(path);
  if (found !== undefined) return found;
  // Two processes may start at once: the first to link its file wins, and both use that one.
  const draft = `${path}.${toHex(random(8))}`;
  await writeFile(draft, await make(), { mode: 0o600, flag: 'wx' });
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  return readFile(path, 'utf8');
}

async function readOrUndefined(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
