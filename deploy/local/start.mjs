// `npm start`: sets up what is missing with whatever Node the machine has, then hands over to up.ts under Node 24.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { node24, requireSupportedSystem, root, setUp } from './set-up.mjs';

const args = process.argv.slice(2);
// Machine-readable output owns stdout; everything for people goes to stderr then.
const screen = args.includes('--json') ? process.stderr : process.stdout;
const say = (/** @type {string} */ line) => void screen.write(`${line}\n`);
const redraw = screen.isTTY
  ? (/** @type {string} */ line) => void screen.write(`\r\x1b[2K${line}`)
  : undefined;

say('Cloister: confidential AI inference, here on one machine with a simulated TEE.');
requireSupportedSystem(say);
try {
  await setUp('start', say, redraw);
} catch (error) {
  say(`Setting up failed. ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}

const up = spawn(node24(), [fileURLToPath(new URL('up.ts', import.meta.url)), ...args], {
  cwd: root,
  stdio: 'inherit',
});
// A terminal's ctrl-C reaches the child by itself; this keeps the parent alive until the child has cleaned up.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) up.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
  });
up.on('close', (code, signal) => process.exit(code ?? (signal === null ? 1 : 130)));
