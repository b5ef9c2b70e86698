// `npm start`: sets up what is missing with whatever Node the machine has, then hands over to up.ts under Node 24.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { node24, requireSupportedSystem, root, setUp } from './set-up.mjs';

const ANCESTOR_MILLISECONDS = 300;

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

// Node 24 calls ML-KEM in WebCrypto experimental; the warning says nothing to whoever starts this.
const options = ['--disable-warning=ExperimentalWarning'];
const up = spawn(node24(), [...options, fileURLToPath(new URL('up.ts', import.meta.url)), ...args], {
  cwd: root,
  // The channel carries nothing: when this process is gone, however it went, the other end notices and cleans up.
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
});
// A terminal's ctrl-C reaches the child by itself; this keeps the parent alive until the child has cleaned up.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) up.kill('SIGTERM');
  });
// npm passes a SIGTERM to the shell between it and us, and the shell dies without a word: watch for both to disappear.
const ancestors = ancestry(process.pid, 2);
setInterval(() => {
  if (ancestors.some((pid, index) => ancestry(process.pid, 2)[index] !== pid)) up.kill('SIGTERM');
}, ANCESTOR_MILLISECONDS).unref();
up.on('close', (code, signal) => process.exit(code ?? (signal === null ? 1 : 130)));

/**
 * Parent, grandparent, …; only npm's own are watched, because a shell may well end before what it started in the background.
 * @param {number} pid
 * @param {number} generations
 * @returns {number[]}
 */
function ancestry(pid, generations) {
  if (process.env.npm_lifecycle_event === undefined) return [];
  const found = [];
  for (let current = pid; found.length < generations; ) {
    let stat;
    try {
      stat = readFileSync(`/proc/${current}/stat`, 'utf8');
    } catch {
      break;
    }
    current = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    found.push(current);
  }
  return found;
}
