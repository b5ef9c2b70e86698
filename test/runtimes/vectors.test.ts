// Captured evidence in workerd and Chromium, one of each kind. All of it: `npm run test:vectors -- --runtime …`. In Node: test/vectors.

import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Verdict } from '../vectors/judges.ts';
import { openVectorFolder, readFolderData, vectorFolderPath } from '../vectors/vector.ts';
import type { Runtime } from './runtime.ts';
import { absenceOf, startRuntime } from './start-runtime.ts';

const ENTRY = fileURLToPath(new URL('./vectors-suite.ts', import.meta.url));
const path = vectorFolderPath();
const vectors = path === undefined ? [] : openVectorFolder(path).vectors;
const oneOfEachKind = vectors
  .map(({ name, kind }, index) => [name, index, kind] as const)
  .filter(([, index, kind]) => vectors.findIndex((other) => other.kind === kind) === index);

describe.each(['workerd', 'chromium'] as const)('in %s', (name) => {
  const absence = path === undefined ? 'no captured evidence' : absenceOf(name);
  describe.skipIf(absence !== undefined)(
    absence === undefined ? 'captured evidence' : `skipped: ${absence}`,
    () => {
      let runtime: Runtime;
      beforeAll(async () => {
        runtime = await startRuntime(name, ENTRY);
        expect(await runtime.call('load', readFolderData(path as string))).toBe(vectors.length);
      }, 60_000);
      afterAll(() => runtime?.close());
      it.each(oneOfEachKind)('%s', async (_, index) => {
        const { result, wrong } = (await runtime.call('judge', index)) as Verdict;
        expect(wrong).toEqual([]);
        expect(result).not.toBe('failed');
      });
    },
  );
});
