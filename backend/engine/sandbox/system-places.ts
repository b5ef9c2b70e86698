// The files of the host that a sandbox with a root of its own shows, and where.

import { existsSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { listLibraries } from './landlock-rules.ts';

/** A file or folder of the host, and where the program sees it, read-only. */
export interface Place {
  readonly source: string;
  readonly target: string;
}

/** What every dynamically linked program needs. */
export interface SystemPlaces {
  /** Symbolic links of the root, such as `/lib` to `usr/lib`. */
  readonly links: readonly { readonly path: string; readonly to: string }[];
  readonly places: readonly Place[];
}

const LINKED_FOLDERS = ['/lib', '/lib64'];

/** The loader and the C and C++ libraries under every name by which they are asked for, as they exist on this machine. */
export function listSystemPlaces(architecture: 'x64' | 'arm64'): SystemPlaces {
  const links = LINKED_FOLDERS.filter((path) => existsSync(path) && realpathSync(path) !== path).map(
    (path) => ({
      path,
      to: readlinkSync(path),
    }),
  );
  const places = new Map<string, string>();
  for (const { folder, name } of listLibraries(architecture)) {
    const target = join(realpathSync(folder), name);
    places.set(target, realpathSync(target));
  }
  return {
    links,
    places: [...places].sort(([a], [b]) => (a < b ? -1 : 1)).map(([target, source]) => ({ source, target })),
  };
}
