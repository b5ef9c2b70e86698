// Run as a process of its own by the tests: starts an engine, prints what it found, and holds it until it is ended.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { startInSandbox } from '../../../../backend/engine/sandbox/start-in-sandbox.ts';
import { askEngine, echoProgram } from './echo-engine.ts';

const named = process.argv[3];
const driver = named === 'bubblewrap' || named === 'gvisor' ? named : 'landlock';
const runFolder = mkdtempSync('/tmp/cloister-run-');
const engine = await startInSandbox(driver, echoProgram(), {
  runFolder,
  random: (octets) => randomBytes(octets),
});
const said = JSON.parse(await askEngine(engine.socketPath, 'hello'));
process.stdout.write(`${JSON.stringify({ pid: engine.pid, runFolder, said, probe: engine.probe })}\n`);
if (process.argv[2] === 'hold') {
  setInterval(() => {}, 1000);
} else {
  await engine.stop();
  rmSync(runFolder, { recursive: true });
}
