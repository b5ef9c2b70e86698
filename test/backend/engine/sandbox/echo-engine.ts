// A small engine for the tests: answers on the inherited socket what it was sent and what it is, and has a child.

import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import type { SandboxedProgram } from '../../../../backend/engine/sandbox/sandboxed-engine.ts';

const SOURCE = `
const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
child.on('error', () => {});
console.log('text that nobody may see');
require('node:http').createServer((request, response) => {
  let body = '';
  request.on('data', (piece) => { body += piece; });
  request.on('end', () => {
    if (body === 'end') process.exit(7);
    if (body === 'grow') { const kept = []; for (;;) kept.push(Buffer.alloc(16 << 20, 1)); }
    let passwd = 'read';
    try { require('node:fs').readFileSync('/etc/passwd'); } catch (error) { passwd = error.code; }
    response.end(JSON.stringify({
      body, passwd, user: process.getuid(), group: process.getgid(), groups: process.getgroups(),
      env: process.env, pid: process.pid, child: child.pid ?? 0, argv: process.argv.slice(1),
    }));
  });
}).listen({ fd: 3 });
`;

/** The program; `extra` goes to its command line, `readOnly` to what it may read. */
export function echoProgram(
  extra: readonly string[] = [],
  readOnly: readonly string[] = [],
): SandboxedProgram {
  return {
    argv: [process.execPath, '-e', SOURCE, '--', ...extra],
    env: { HOME: '/', GREETING: 'hello' },
    readOnly: [process.execPath, ...readOnly],
    limits: { memoryBytes: 1 << 30, processes: 512, openFiles: 256 },
  };
}

/** One POST to an engine's socket; the body of its answer. */
export function askEngine(socketPath: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method: 'POST', path: '/' }, (response) => {
      let answer = '';
      response.on('data', (piece: Buffer) => {
        answer += piece.toString();
      });
      response.on('end', () => resolve(answer));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Whether a process is gone, or a zombie: in a container whose first process reaps nobody it stays one. */
export function isGone(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return true;
  }
}

/** Waits until the condition holds; rejects after the limit. */
export async function eventually(condition: () => boolean, limitMs: number): Promise<void> {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error('did not happen in time');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
