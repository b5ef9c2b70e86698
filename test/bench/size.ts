// How much a browser loads, beside what is promised; `npm run bench -- size`.

import { FIRST_LOAD_LIMIT, gzippedBytes, measureBrowserBundle } from './browser-bundle.ts';
import { type FigureGroup, figure } from './measure.ts';

/** Figures of the first load, and of what is loaded only where a runtime lacks an algorithm or a verb is used. */
export const sizeFigures: FigureGroup = async function* () {
  const { first, later } = await measureBrowserBundle();
  const limit = FIRST_LOAD_LIMIT / 1000;
  yield figure('client and verifier, first load, gzipped', gzippedBytes(first) / 1000, 'kB', limit);
  yield figure('loaded later, where needed, gzipped', gzippedBytes(later) / 1000, 'kB', limit);
};
