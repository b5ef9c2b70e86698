// Judges every vector of a folder and prints a line for each: `npm run test:vectors`.

import { judgeVector, type Verdict } from './judges.ts';
import { openVectorFolder, type Vector, vectorFolderPath } from './vector.ts';

const path = vectorFolderPath();
if (path === undefined) {
  process.stdout.write('no vectors: set CLOISTER_VECTORS to a folder with a manifest.json\n');
  process.stdout.write('0 passed, 0 failed, 0 skipped\n');
  process.exit(process.env.CLOISTER_VECTORS === undefined ? 0 : 1);
}

const count = { passed: 0, failed: 0, skipped: 0 };
for (const vector of openVectorFolder(path).vectors) {
  const { result, line } = await describe(vector);
  count[result]++;
  process.stdout.write(`${line}\n`);
}
process.stdout.write(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
process.exitCode = count.failed > 0 ? 1 : 0;

async function describe(
  vector: Vector,
): Promise<{ readonly result: Verdict['result']; readonly line: string }> {
  const { name, kind } = vector;
  try {
    const { result, checks, wrong } = await judgeVector(vector);
    if (result === 'skipped') return { result, line: `skipped  ${name}: nobody judges ${kind} yet` };
    const details = wrong.map(
      ({ what, expected, actual }) => `\n    ${what}: expected ${expected}, got ${actual}`,
    );
    return { result, line: `${result}   ${name}: ${checks.length} checks${details.join('')}` };
  } catch (error) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : 'something else was thrown';
    return { result: 'failed', line: `failed   ${name}: ${message}` };
  }
}
