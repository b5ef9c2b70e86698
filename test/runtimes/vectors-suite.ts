// Judges captured evidence inside whatever runtime this is loaded into. The vectors come as data.

import { fromBase64url } from '../../shared/bytes/base64url.ts';
import { judgeVector, type Verdict } from '../vectors/judges.ts';
import type { VectorEntry, VectorFolder } from '../vectors/vector.ts';
import { makeVectorFolder } from '../vectors/vector-folder.ts';

/** A folder as data: its list, and its files as base64url. */
export interface FolderData {
  readonly entries: readonly VectorEntry[];
  readonly files: Readonly<Record<string, string>>;
}

let folder: VectorFolder | undefined;

export const calls = {
  /** Takes the folder; gives the number of its vectors. */
  load({ entries, files }: FolderData): number {
    folder = makeVectorFolder(entries, (path) => {
      const file = files[path];
      if (file === undefined) throw new Error(`no file ${path}`);
      return fromBase64url(file);
    });
    return folder.vectors.length;
  },

  /** Judges one vector by its number. */
  async judge(index: number): Promise<Verdict> {
    const vector = folder?.vectors[index];
    if (!vector) throw new Error('no such vector');
    return judgeVector(vector);
  },
};
