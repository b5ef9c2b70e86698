// A target's kept inputs: one file, one base64url line each.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromBase64url, toBase64url } from '../../shared/bytes/base64url.ts';
import { vectorsFolder } from '../harness/vectors.ts';

const fileOf = (target: string): string => fileURLToPath(new URL(`./corpus/${target}.txt`, import.meta.url));

/** What earlier runs kept. */
export function readCorpus(target: string): readonly Uint8Array[] {
  const path = fileOf(target);
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8').split('\n').filter(Boolean).map(fromBase64url);
}

/** Replaces what was kept. */
export function writeCorpus(target: string, inputs: readonly Uint8Array[]): void {
  writeFileSync(fileOf(target), inputs.map((input) => `${toBase64url(new Uint8Array(input))}\n`).join(''));
}

/** Files under folders of the attestation vectors, no longer than `maxOctets`; none where the vectors are absent. */
export function readVectorSeeds(folders: readonly string[], maxOctets: number): readonly Uint8Array[] {
  return folders.flatMap((folder) => {
    const path = join(vectorsFolder, 'attestation', folder);
    if (!existsSync(path)) return [];
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)))
      .filter((octets) => octets.length <= maxOctets)
      .map((octets) => new Uint8Array(octets));
  });
}
