// What a browser loads to use the client with its verifier: at once, and later where a runtime lacks an algorithm or a verb is used.

import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const ENTRY = fileURLToPath(new URL('../../shared/client/index.ts', import.meta.url));
/** What is promised for the first load, in bytes after gzip. */
export const FIRST_LOAD_LIMIT = 60_000;

/** One file that a bundler writes. */
export interface Chunk {
  readonly name: string;
  readonly bytes: number;
  readonly gzipped: number;
}

/** Minified by esbuild with splitting. `first`: the entry and all that it imports statically. */
export async function measureBrowserBundle(): Promise<{
  readonly first: readonly Chunk[];
  readonly later: readonly Chunk[];
}> {
  const { outputFiles, metafile } = await build({
    entryPoints: [ENTRY],
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    outdir: '/bundle',
    write: false,
    metafile: true,
    logLevel: 'error',
  });
  const imports = new Map(
    Object.entries(metafile.outputs).map(([path, output]) => [
      basename(path),
      output.imports.filter(({ kind }) => kind === 'import-statement').map((one) => basename(one.path)),
    ]),
  );
  const atOnce = new Set<string>();
  const open = ['index.js'];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (atOnce.has(name)) continue;
    atOnce.add(name);
    open.push(...(imports.get(name) ?? []));
  }
  const chunks = outputFiles.map(({ path, contents }) => ({
    name: basename(path),
    bytes: contents.length,
    gzipped: gzipSync(contents, { level: 9 }).length,
  }));
  return {
    first: chunks.filter(({ name }) => atOnce.has(name)),
    later: chunks.filter(({ name }) => !atOnce.has(name)),
  };
}

/** The sum of gzipped sizes. */
export function gzippedBytes(chunks: readonly Chunk[]): number {
  return chunks.reduce((sum, { gzipped }) => sum + gzipped, 0);
}
