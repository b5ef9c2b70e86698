// Judges every vector of a folder and prints a line for each: `npm run test:vectors [-- --runtime node|workerd|chromium]`.

import type { Runtime } from '../runtimes/runtime.ts';
import { judgeVector, type Verdict } from './judges.ts';
import { NODE_JUDGES } from './node-judges.ts';
import { openVectorFolder, readFolderData, type Vector, vectorFolderPath } from './vector.ts';

const name = runtimeName();

const path = vectorFolderPath();
if (path === undefined) {
  process.stdout.write('no vectors: set CLOISTER_VECTORS to a folder with a manifest.json\n');
  process.stdout.write('0 passed, 0 failed, 0 skipped\n');
  process.exit(process.env.CLOISTER_VECTORS === undefined ? 0 : 1);
}

const count = { passed: 0, failed: 0, skipped: 0 };
const runtime = name === 'node' ? undefined : await startLoaded(name, path);
for (const [index, vector] of openVectorFolder(path).vectors.entries()) {
  const { result, line } = await describe(vector, index);
  count[result]++;
  process.stdout.write(`${line}\n`);
}
process.stdout.write(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
process.exitCode = count.failed > 0 ? 1 : 0;

await runtime?.close();

function runtimeName(): string {
  const [option, value, ...more] = process.argv.slice(2);
  if (option === undefined) return 'node';
  if (option === '--runtime' && value !== undefined && more.length === 0) return value;
  process.stderr.write('usage: test:vectors [-- --runtime node|workerd|chromium]\n');
  process.exit(2);
}

// Loaded only when it is asked for: the plain form needs no bundler, no workerd and no browser.
async function startLoaded(wanted: string, folder: string): Promise<Runtime> {
  const { absenceOf, RUNTIME_NAMES, startRuntime } = await import('../runtimes/start-runtime.ts');
  const found = RUNTIME_NAMES.find((each) => each === wanted);
  const absence = found === undefined ? `no runtime ${wanted}` : absenceOf(found);
  if (found === undefined || absence !== undefined) {
    process.stderr.write(`${absence}\n`);
    process.exit(2);
  }
  const started = await startRuntime(
    found,
    new URL('../runtimes/vectors-suite.ts', import.meta.url).pathname,
  );
  await started.call('load', readFolderData(folder));
  return started;
}

async function describe(
  vector: Vector,
  index: number,
): Promise<{ readonly result: Verdict['result']; readonly line: string }> {
  const { name: what, kind } = vector;
  try {
    const { result, checks, wrong } = runtime
      ? ((await runtime.call('judge', index)) as Verdict)
      : await judgeVector(vector, NODE_JUDGES);
    if (result === 'skipped') return { result, line: `skipped  ${what}: nobody judges ${kind} yet` };
    const details = wrong.map(
      ({ what, expected, actual }) => `\n    ${what}: expected ${expected}, got ${actual}`,
    );
    return { result, line: `${result}   ${what}: ${checks.length} checks${details.join('')}` };
  } catch (error) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : 'something else was thrown';
    return { result: 'failed', line: `failed   ${what}: ${message}` };
  }
}
