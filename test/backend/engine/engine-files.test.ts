// The files that the sandbox grants: enough to run, and nothing of the project beside them.

import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { expect, it } from 'vitest';
import { LLAMA_SERVER_PATH, listEngineFiles } from '../../../backend/engine/engine-files.ts';

it('lists the engine’s own sources, the node binary, the library and its dependencies, and no more', () => {
  const files = listEngineFiles();
  expect(files.every((file) => isAbsolute(file) && existsSync(file))).toBe(true);
  expect(new Set(files).size).toBe(files.length);
  const ours = files.filter((file) => !file.includes('/node_modules/') && file !== process.execPath);
  expect(ours.map((file) => file.split('/').slice(-3).join('/'))).toEqual([
    'backend/engine/llama',
    expect.stringMatching(/package\.json$/),
  ]);
  expect(LLAMA_SERVER_PATH.startsWith(`${ours[0]}/`)).toBe(true);
  const packages = files.filter((file) => file.includes('/node_modules/'));
  const has = (name: string) => packages.some((file) => file.endsWith(`/node_modules/${name}`));
  expect(has('node-llama-cpp')).toBe(true);
  expect(has(`@node-llama-cpp/${process.platform}-${process.arch}`)).toBe(true);
  expect(packages.filter((file) => /cuda|vulkan/.test(file))).toEqual([]);
  expect(has('wrangler') || has('koffi') || has('hono')).toBe(false);
});
