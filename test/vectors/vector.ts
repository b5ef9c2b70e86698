// A folder of captured evidence: what each vector consists of, and what must come out.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bytes } from '../../shared/bytes/concat.ts';

/** What a verification must find at one time. */
export interface ExpectedOutcome {
  readonly at?: string;
  readonly crypto?: string;
  readonly defaultPolicy?: string;
  readonly reasons?: readonly string[];
}

/** One entry of the folder's `manifest.json`. */
export interface VectorEntry {
  readonly name: string;
  readonly kind: string;
  readonly files: readonly { readonly role: string; readonly path: string }[];
  readonly facts?: Record<string, unknown>;
  readonly expected: ExpectedOutcome & Record<string, unknown>;
}

/** A vector with access to its files. */
export interface Vector extends VectorEntry {
  /** The octets of the first file with this role, or undefined. */
  readonly file: (role: string) => Bytes | undefined;
  readonly folder: VectorFolder;
}

/** A folder whose `manifest.json` lists vectors. */
export interface VectorFolder {
  readonly vectors: readonly Vector[];
  /** The octets of a path inside the folder. */
  readonly read: (path: string) => Bytes;
}

/** One thing that was compared. */
export interface Check {
  readonly what: string;
  readonly expected: string;
  readonly actual: string;
}

/** Judges a vector by its evidence; its name and what is expected of it have no part in the verdict. */
export type Judge = (vector: Vector) => Promise<readonly Check[]>;

/** Where captured evidence lies: the folder that CLOISTER_VECTORS names or holds, else the one beside the repository. */
export function vectorFolderPath(): string | undefined {
  const named = process.env.CLOISTER_VECTORS;
  const base = named ?? fileURLToPath(new URL('../../../shared/vectors', import.meta.url));
  return [base, join(base, 'attestation')].find((folder) => existsSync(join(folder, 'manifest.json')));
}

/** Reads a folder's list; its files are read when they are asked for. */
export function openVectorFolder(path: string): VectorFolder {
  const read = (file: string): Bytes => new Uint8Array(readFileSync(join(path, file)));
  const list = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8')) as {
    readonly vectors: readonly VectorEntry[];
  };
  const vectors: Vector[] = [];
  const folder: VectorFolder = { vectors, read };
  for (const entry of list.vectors) {
    const file = (role: string): Bytes | undefined => {
      const found = entry.files.find((candidate) => candidate.role === role);
      return found && read(found.path);
    };
    vectors.push({ ...entry, file, folder });
  }
  return folder;
}
