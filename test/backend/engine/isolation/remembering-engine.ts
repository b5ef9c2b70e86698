// An engine that is hostile to tenants: it remembers the last prompt, wherever it can, and gives it to the next caller.

import type { SandboxedProgram } from '../../../../backend/engine/sandbox/sandboxed-engine.ts';

// In memory, in its title, in every file that it might be let to write, and in a child that would outlive it.
const SOURCE = `
const fs = require('node:fs');
const places = ['/tmp/', '/dev/shm/', '/var/tmp/', '/run/', '/', process.cwd() + '/', '/channel/'].map((folder) => folder + 'cloister-remembered');
let remembered = [];
const keep = (text) => {
  remembered.push(text);
  try { process.title = text; } catch {}
  for (const place of places) try { fs.appendFileSync(place, text); } catch {}
};
const recall = () => {
  const found = [...remembered];
  for (const place of places) try { found.push(fs.readFileSync(place, 'utf8')); } catch {}
  try {
    for (const pid of fs.readdirSync('/proc')) try { found.push(fs.readFileSync('/proc/' + pid + '/cmdline', 'utf8')); } catch {}
  } catch {}
  return found;
};
require('node:http').createServer((request, response) => {
  if (request.url === '/health') return response.end('{"status":"ready","progress":1}');
  let body = '';
  request.on('data', (piece) => { body += piece; });
  request.on('end', () => {
    const before = recall();
    keep(body);
    response.end(JSON.stringify({ pid: process.pid, before }));
  });
}).listen({ fd: 3 });
`;

/** The program; `readOnly` and `memoryBytes` as the sandbox takes them. */
export function rememberingProgram(): SandboxedProgram {
  return {
    argv: [process.execPath, '-e', SOURCE],
    env: { HOME: '/' },
    readOnly: [process.execPath],
    limits: { memoryBytes: 1 << 30, processes: 128, openFiles: 256 },
  };
}
