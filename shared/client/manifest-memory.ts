// What a client remembers of manifests: the highest version that it saw, so that nobody can show it an older one.

import { fromBase64url, toBase64url } from '../bytes/base64url.ts';
import { type Bytes, concat } from '../bytes/concat.ts';
import { parseManifest } from '../manifest/manifest.ts';

/** Keeps one manifest under each name. A memory that forgets makes a rollback possible, and nothing else. */
export interface ManifestMemory {
  /** The octets kept under a name. Must throw rather than say that there are none when it cannot tell. */
  read(name: string): Promise<Bytes | undefined>;
  /** Keeps octets in place of what was kept. */
  write(name: string, manifest: Bytes): Promise<void>;
}

/** What `localStorage` and its like offer. */
export interface TextStorage {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

/** Forgets with the process: a program that starts often needs another one. */
export function memoryInProcess(): ManifestMemory {
  const kept = new Map<string, Bytes>();
  return {
    async read(name) {
      const octets = kept.get(name);
      return octets && concat(octets);
    },
    async write(name, manifest) {
      kept.set(name, concat(manifest));
    },
  };
}

/** Keeps manifests in a page's storage, which everything of the same origin can change. */
export function memoryInStorage(storage: TextStorage): ManifestMemory {
  const keyOf = (name: string): string => `cloister manifest ${name}`;
  return {
    async read(name) {
      const text = storage.getItem(keyOf(name));
      return text === null ? undefined : fromBase64url(text);
    },
    async write(name, manifest) {
      storage.setItem(keyOf(name), toBase64url(manifest));
    },
  };
}

/** Keeps a manifest that was verified, unless a higher version was kept meanwhile. */
export async function rememberHigher(memory: ManifestMemory, name: string, manifest: Bytes): Promise<void> {
  const kept = await memory.read(name);
  if (kept === undefined || parseManifest(kept).serial < parseManifest(manifest).serial)
    await memory.write(name, manifest);
}
