// Fetches the default model with progress on the screen.

import { fetchModel } from '../../backend/engine/weights/fetch-model.ts';
import { DEFAULT_MODEL } from '../../backend/engine/weights/model-catalogue.ts';
import { FOLDER } from './folders.ts';
import type { Screen } from './screen.ts';

const MEGABYTE = 1e6;
const QUIET_MILLISECONDS = 5_000;

/**
 * Path of the verified model file. `path`: a file that the user named.
 * @throws ModelUnavailableError naming every source that was tried.
 */
export async function getModel(
  screen: Screen,
  path: string | undefined,
  signal?: AbortSignal,
): Promise<string> {
  let lastLine = performance.now();
  let fetched = false;
  const file = await fetchModel(DEFAULT_MODEL, {
    ...(path !== undefined && { path }),
    cacheFolder: FOLDER.models,
    onProgress: ({ source, done, total }) => {
      fetched = true;
      const text = `  model     ${Math.round(done / MEGABYTE)} of ${Math.round(total / MEGABYTE)} MB  ${source}`;
      screen.progress(text);
      if (!screen.isTerminal && performance.now() - lastLine > QUIET_MILLISECONDS) {
        lastLine = performance.now();
        screen.line(text);
      }
    },
    ...(signal && { signal }),
  });
  if (fetched) {
    screen.progress('');
    screen.line(
      `  model     ${DEFAULT_MODEL.name}, ${Math.round(DEFAULT_MODEL.bytes / MEGABYTE)} MB, sha256 verified`,
    );
  }
  return file;
}
