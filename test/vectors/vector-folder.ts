// A folder of vectors out of its list and a way to read its files, wherever they lie.

import type { Bytes } from '../../shared/bytes/concat.ts';
import type { Vector, VectorEntry, VectorFolder } from './vector.ts';

/** The folder; its files are read when they are asked for. */
export function makeVectorFolder(
  entries: readonly VectorEntry[],
  read: (path: string) => Bytes,
): VectorFolder {
  const vectors: Vector[] = [];
  const folder: VectorFolder = { vectors, read };
  for (const entry of entries) {
    const file = (role: string): Bytes | undefined => {
      const found = entry.files.find((candidate) => candidate.role === role);
      return found && read(found.path);
    };
    vectors.push({ ...entry, file, folder });
  }
  return folder;
}
