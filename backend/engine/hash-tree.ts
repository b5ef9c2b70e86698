// SHA-256 of a file, or of a folder with all below it.

import { createHash } from 'node:crypto';
import { readdir, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile } from './weights/hash-file.ts';

const LABEL = 'cloister tree v1';

/**
 * Lower-case hex. Of a file: of its octets. Of a folder: of `cloister tree v1` ‖ 00 and a line for each entry below it in the order of their
 * paths' octets: path, 00, `file` and the hex digest, or `link` and the target, 0a. Empty folders, owners, times and modes do not count.
 * @throws the file system's error, also for what is neither file, folder nor link
 */
export async function hashTree(path: string): Promise<string> {
  if ((await stat(path)).isFile()) return hashFile(path);
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const lines: string[] = [];
  for (const entry of entries) {
    const full = join(entry.parentPath, entry.name);
    const name = full.slice(path.length + 1);
    if (entry.isDirectory()) continue;
    if (entry.isSymbolicLink()) lines.push(`${name}\0link ${await readlink(full)}\n`);
    else if (entry.isFile()) lines.push(`${name}\0file ${await hashFile(full)}\n`);
    else throw new TypeError('a tree holds files, folders and links only');
  }
  const hash = createHash('sha256').update(`${LABEL}\0`);
  for (const line of lines.map((text) => Buffer.from(text)).sort(Buffer.compare)) hash.update(line);
  return hash.digest('hex');
}
