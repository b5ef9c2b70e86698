// One run, two runtimes: the node project (sealing, verifier, backend, journey) and the workerd project (edge).
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    projects: [
      {
        test: {
          name: 'node',
          environment: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/functions/**'],
          // Sandboxes of one machine share a user and its limit on processes, and journeys share two cores: a start may be refused
          // once. Runs that needed a second try are marked in the output.
          retry: process.env.CI === undefined ? 0 : 1,
          testTimeout: 20_000,
        },
      },
      {
        plugins: [cloudflareTest({ wrangler: { configPath: './wrangler.toml' } })],
        test: {
          name: 'workerd',
          include: ['test/functions/**/*.test.ts'],
          globalSetup: ['test/harness/scripted-node.ts'],
          testTimeout: 20_000,
        },
      },
    ],
  },
});
