// The short form of the measurement in test/bench/uniform-failure.ts: one answer for all, and no gross difference in time.

import { expect, test } from 'vitest';
import { measureUniformFailure } from '../../bench/measure-uniform-failure.ts';

test('failures to open a request are one answer, and their times lie together', async () => {
  const { answers, comparisons } = await measureUniformFailure({ samples: 300, inFlight: 30 });
  expect(answers.size).toBe(1);
  expect([...answers][0]).toContain('sealed_request_invalid');
  // Loose, because the machine of a test run is busy; the command holds it to 4.5 over many more samples.
  for (const { t } of comparisons) expect(Math.abs(t)).toBeLessThan(8);
}, 60_000);
