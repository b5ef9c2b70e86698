// The digest that names an engine: its own sources, and the pinned packages that it is built from.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { LLAMA_SERVER_PATH } from './engine-files.ts';

const LABEL = 'cloister engine v1';

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly integrity?: string }>>;
}

/**
 * SHA-256, lower-case hex, of `cloister engine v1` ‖ 0x00 and one line for each of the engine's own source files (path below its
 * folder, 0x00, hex SHA-256, 0x0a) and each package in `places` (its path in the lock file, 0x00, its integrity there, 0x0a), in
 * order. Packages are named by the registry's digest of their archive; that the files on disk are those is the image's promise, not
 * this digest's.
 * @param places what the engine's sandbox grants (`listEngineFiles`). @param root the folder of package-lock.json.
 */
export function digestEngine(places: readonly string[], root: string): string {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile;
  const sources = dirname(LLAMA_SERVER_PATH);
  const hash = createHash('sha256').update(`${LABEL}\0`);
  for (const name of readdirSync(sources, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(sources, name);
    if (!statSync(path).isFile()) continue;
    hash.update(`${name}\0${createHash('sha256').update(readFileSync(path)).digest('hex')}\n`);
  }
  const packages = places.map((place) => relative(root, place)).sort();
  for (const name of packages) {
    const integrity = lock.packages[name]?.integrity;
    if (integrity !== undefined) hash.update(`${name}\0${integrity}\n`);
  }
  return hash.digest('hex');
}
