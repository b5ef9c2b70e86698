// The files that the llama engine reads: what a sandbox must grant it, and nothing else.

import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The engine's program. */
export const LLAMA_SERVER_PATH = fileURLToPath(new URL('./llama/server.ts', import.meta.url));

const LIBRARY = 'node-llama-cpp';

/**
 * Absolute paths, files and folders, that the engine reads besides its model: its own sources, the project file that tells
 * Node how to read them, the node binary, and the library with everything it depends on.
 * @param node path of the node binary that runs it.
 */
export function listEngineFiles(node: string = process.execPath): string[] {
  const sources = dirname(LLAMA_SERVER_PATH);
  const packages = new Set<string>();
  collectPackages(LIBRARY, sources, packages);
  return [realpathSync(node), sources, ...nearestProjectFile(sources), ...packages];
}

// Walks dependencies as Node resolves them. Of the library's platform packages only this machine's processor build counts:
// the others are for other machines or for GPUs, and a listed folder is a readable one.
function collectPackages(name: string, from: string, found: Set<string>): void {
  const folder = findPackage(name, from);
  if (folder === undefined || found.has(folder)) return;
  found.add(folder);
  const { dependencies = {}, optionalDependencies = {} } = readPackageFile(folder);
  const names = new Set(Object.keys({ ...dependencies, ...optionalDependencies }));
  for (const dependency of names) {
    const platform = dependency.startsWith(`@${LIBRARY}/`);
    if (platform && dependency !== `@${LIBRARY}/${process.platform}-${process.arch}`) continue;
    collectPackages(dependency, folder, found);
  }
}

function findPackage(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return realpathSync(candidate);
    if (folder === dirname(folder)) return undefined;
  }
}

interface PackageFile {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

function readPackageFile(folder: string): PackageFile {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as PackageFile;
}

function nearestProjectFile(from: string): string[] {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) return [realpathSync(file)];
  }
  return [];
}
