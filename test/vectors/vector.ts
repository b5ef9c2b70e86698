// A folder of captured evidence: what each vector consists of, and what must come out.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toBase64url } from '../../shared/bytes/base64url.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import type { FolderData } from '../runtimes/vectors-suite.ts';
import { makeVectorFolder } from './vector-folder.ts';

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
  return makeVectorFolder(readEntries(path), (file) => readOctets(path, file));
}

/** All of a folder as data, for a runtime that has no files. */
export function readFolderData(path: string): FolderData {
  const entries = readEntries(path);
  const paths = new Set(
    entries.flatMap(({ files, expected }) => [...files.map((file) => file.path), ...chainOf(expected)]),
  );
  return {
    entries,
    files: Object.fromEntries([...paths].map((file) => [file, toBase64url(readOctets(path, file))])),
  };
}

// An expectation may name the certificates above a leaf.
function chainOf({ chain }: VectorEntry['expected']): readonly string[] {
  return Array.isArray(chain) ? chain.filter((file) => typeof file === 'string') : [];
}

function readOctets(path: string, file: string): Bytes {
  return new Uint8Array(readFileSync(join(path, file)));
}

function readEntries(path: string): readonly VectorEntry[] {
  const list = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8')) as {
    readonly vectors: readonly VectorEntry[];
  };
  return list.vectors;
}
