// `npm test`: sets up what is missing, then types, style and the whole suite; ends with one line that says what happened.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { node24, requireSupportedSystem, root, setUp } from './set-up.mjs';

const say = (/** @type {string} */ line) => void process.stdout.write(`${line}\n`);
const redraw = process.stdout.isTTY
  ? (/** @type {string} */ line) => void process.stdout.write(`\r\x1b[2K${line}`)
  : undefined;

say('Cloister: setting up, then types, style and tests.');
requireSupportedSystem(say);
await setUp('test', say, redraw);

const bin = (/** @type {string} */ path) => join(root, 'node_modules', path);
/** @type {[string, string[]][]} */
const steps = [
  ['types', [bin('typescript/bin/tsc'), '-b']],
  ['style', [bin('@biomejs/biome/bin/biome'), 'check', '.']],
  ['model', [join(root, 'deploy/local/fetch-model.ts'), '--optional']],
  ['tests', [bin('vitest/vitest.mjs'), 'run', '--config', 'test/vitest.config.ts', ...process.argv.slice(2)]],
];
for (const [name, args] of steps) {
  say(`\n== ${name}`);
  const code = await new Promise((resolve) => {
    // Children such as vitest's workers must find Node 24 as `node`, whatever the machine's own is.
    const env = { ...process.env, PATH: `${bin('.bin')}:${process.env.PATH}` };
    spawn(node24(), args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env }).on('close', resolve);
  });
  if (code !== 0) {
    say(`\n${name} failed.`);
    process.exit(1);
  }
}
if (!existsSync(join(root, '../shared/vectors')))
  say('\nCaptured vectors are not beside this checkout: the tests on them were skipped.');
