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
