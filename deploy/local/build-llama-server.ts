// Builds llama.cpp's own server from the sources that the package node-llama-cpp carries, and prints its path and digest.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const USAGE = `npm run build-llama-server -- [options]

  --out FOLDER   sources and build (default: .cloister/llama-server)
  --jobs N       compilers at the same time (default: one per processor)
  --portable     for other processors too (x64: with AVX2), not only the one here
  --help         this text

Needs git, cmake, ninja and a C++17 compiler (Debian: git cmake ninja-build g++), 12 processor minutes and 1 GB.
Nothing is fetched. Prints one line of JSON: binary, sha256, commit.`;

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What the build leaves out: tests, examples, the web interface, and TLS, with which all code that downloads models goes. */
const OPTIONS = [
  ...['-DCMAKE_BUILD_TYPE=Release', '-DBUILD_SHARED_LIBS=OFF', '-DLLAMA_BUILD_TESTS=OFF'],
  ...['-DLLAMA_BUILD_EXAMPLES=OFF', '-DLLAMA_BUILD_UI=OFF', '-DLLAMA_OPENSSL=OFF'],
];

function run(command: string, args: readonly string[], folder: string): void {
  // its progress goes to stderr: stdout is for the result
  const { status, error } = spawnSync(command, args, { cwd: folder, stdio: ['ignore', 2, 2] });
  if (error !== undefined) throw new Error(`${command} is missing: install git, cmake, ninja-build and g++`);
  if (status !== 0) throw new Error(`${command} ${args[0] ?? ''} ended with ${status}`);
}

function build(out: string, jobs: number, portable: boolean): void {
  const bundle = join(root, 'node_modules', 'node-llama-cpp', 'llama', 'gitRelease.bundle');
  if (!existsSync(bundle)) throw new Error('node-llama-cpp is missing: run npm install');
  const source = join(out, 'source');
  const folder = join(out, 'build');
  mkdirSync(out, { recursive: true });
  if (!existsSync(source))
    run('git', ['-c', 'advice.detachedHead=false', 'clone', '--quiet', bundle, source], out);
  const native = `-DGGML_NATIVE=${portable ? 'OFF' : 'ON'}`;
  run('cmake', ['-S', source, '-B', folder, '-G', 'Ninja', ...OPTIONS, native], out);
  run('cmake', ['--build', folder, '--target', 'llama-server', '-j', String(jobs)], out);
  const binary = join(folder, 'bin', 'llama-server');
  const sha256 = createHash('sha256').update(readFileSync(binary)).digest('hex');
  const { stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: source, encoding: 'utf8' });
  process.stdout.write(`${JSON.stringify({ binary, sha256, commit: stdout.trim() })}\n`);
}

const text = { type: 'string' } as const;
try {
  const { values } = parseArgs({
    options: {
      out: text,
      jobs: text,
      portable: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) process.stdout.write(`${USAGE}\n`);
  else {
    const jobs = Number(values.jobs ?? availableParallelism());
    if (!Number.isSafeInteger(jobs) || jobs < 1) throw new Error('--jobs is a number of 1 or more');
    build(resolve(values.out ?? join(root, '.cloister', 'llama-server')), jobs, values.portable ?? false);
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
