// Keeps the highest manifests seen in the user's own folder, so that a command started tomorrow knows what today's saw.

import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ManifestMemory } from '../client/manifest-memory.ts';
import { parseManifest } from '../manifest/manifest.ts';
import { ManifestError } from '../manifest/manifest-error.ts';
import { replace } from './manifest/manifest-folder.ts';

/** A memory that cannot be read. Going on without would let an older manifest pass; the message says which file it is. */
export class ManifestMemoryError extends Error {
  override readonly name = 'ManifestMemoryError';
  readonly code = 'manifest_memory_unreadable';
}

/** `$XDG_STATE_HOME/cloister/manifests`, by default in `~/.local/state` (XDG base directories). */
export function manifestMemoryFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const state = environment.XDG_STATE_HOME;
  return join(state?.startsWith('/') ? state : join(homedir(), '.local/state'), 'cloister/manifests');
}

/** One file a name, mode 0600, replaced at once. @throws ManifestMemoryError from `read`. */
export function memoryInFolder(folder: string): ManifestMemory {
  const pathOf = (name: string): string =>
    join(folder, `${createHash('sha256').update(name).digest('hex')}.json`);
  return {
    async read(name) {
      let octets: Uint8Array<ArrayBuffer>;
      try {
        octets = new Uint8Array(await readFile(pathOf(name)));
      } catch (error) {
        if ((error as { code?: string }).code === 'ENOENT') return undefined;
        throw new ManifestMemoryError(`${pathOf(name)} cannot be read`, { cause: error });
      }
      try {
        parseManifest(octets);
      } catch (error) {
        if (!(error instanceof ManifestError)) throw error;
        throw new ManifestMemoryError(
          `${pathOf(name)} is damaged: it held the highest manifest seen; remove it only if you know why`,
          { cause: error },
        );
      }
      return octets;
    },
    async write(name, manifest) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await replace(pathOf(name), manifest, 0o600);
    },
  };
}
