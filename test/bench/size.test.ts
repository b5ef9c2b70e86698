// The promise about the first load of client and verifier in a browser.

import { expect, it } from 'vitest';
import { FIRST_LOAD_LIMIT, gzippedBytes, measureBrowserBundle } from './browser-bundle.ts';

it('client and verifier load at most 60 kB after gzip, and fallbacks only where they are needed', async () => {
  const { first, later } = await measureBrowserBundle();
  expect(gzippedBytes(first)).toBeLessThanOrEqual(FIRST_LOAD_LIMIT);
  // Where nothing came later, the fallbacks would be in the first load or gone.
  expect(gzippedBytes(later)).toBeGreaterThan(20_000);
});
