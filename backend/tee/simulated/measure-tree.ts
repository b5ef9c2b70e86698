// Measures the files that make up a simulated guest, so that their expected measurement can be computed before it runs.

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bytes } from '../../../shared/bytes/concat.ts';

const LABEL = 'cloister guest tree v1';
const ROOTS = ['backend', 'shared', 'package-lock.json'];
// Parts of shared/ that run at the user's, not in the guest.
const OUTSIDE: ReadonlySet<string> = new Set(['shared/cli', 'shared/client', 'shared/page', 'shared/dist']);
const SKIPPED_FOLDERS: ReadonlySet<string> = new Set(['node_modules']);

/** A guest that cannot be measured: something in it is neither a file nor a folder. */
export class MeasureTreeError extends Error {
  override readonly name = 'MeasureTreeError';
  readonly code = 'measure_tree_unsupported_entry';
  constructor(path: string) {
    super(`neither a file nor a folder: ${path}`);
  }
}

/**
 * SHA-384 of `cloister guest tree v1` ‖ 0x00 and, for each file in order of its path, `<path> 0x00 <hex SHA-256> 0x0a`:
 * 48 octets. Files are those of `backend/`, of `shared/` without what runs at the user's, and `package-lock.json`;
 * Markdown, hidden entries and `node_modules` are left out. Paths are relative to `folder`, with `/`, ordered by their
 * UTF-16 code units.
 * @throws MeasureTreeError on a symbolic link or device; system errors as they come.
 */
export async function measureGuest(folder: string): Promise<Bytes> {
  const paths: string[] = [];
  for (const root of ROOTS) await collect(folder, root, paths);
  paths.sort();
  const hash = createHash('sha384').update(`${LABEL}\0`);
  for (const path of paths) {
    const digest = createHash('sha256').update(await readFile(join(folder, path)));
    hash.update(`${path}\0${digest.digest('hex')}\n`);
  }
  return new Uint8Array(hash.digest());
}

async function collect(folder: string, path: string, found: string[]): Promise<void> {
  if (path.endsWith('.json') && !path.includes('/')) {
    found.push(path);
    return;
  }
  for (const entry of await readdir(join(folder, path), { withFileTypes: true })) {
    const child = `${path}/${entry.name}`;
    if (entry.name.startsWith('.') || entry.name.endsWith('.md') || OUTSIDE.has(child)) continue;
    if (entry.isDirectory()) {
      if (!SKIPPED_FOLDERS.has(entry.name)) await collect(folder, child, found);
    } else if (entry.isFile()) found.push(child);
    else throw new MeasureTreeError(child);
  }
}
