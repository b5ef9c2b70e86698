// Where the official and captured vectors lie: beside the repository, or where CLOISTER_VECTORS says. They may be absent.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of vectors. */
export const vectorsFolder =
  process.env.CLOISTER_VECTORS ?? fileURLToPath(new URL('../../../shared/vectors', import.meta.url));

/** Whether this machine has them; tests that need them are skipped, and say so, where it has not. */
export const haveVectors = existsSync(vectorsFolder);

/** The octets of one file of vectors. */
export function readVector(path: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(join(vectorsFolder, path)));
}

/** One file of vectors as JSON. */
export function readVectorJson<T>(path: string): T {
  return JSON.parse(readFileSync(join(vectorsFolder, path), 'utf8')) as T;
}
