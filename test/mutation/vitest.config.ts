// The tests that a mutant is held against; `run.ts` names them.
import { defineConfig } from 'vitest/config';

const named = process.env.CLOISTER_MUTATION_TESTS;

export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  test: {
    environment: 'node',
    include:
      named === undefined
        ? ['test/shared/{evidence,verifier}/**/*.test.ts']
        : (JSON.parse(named) as string[]),
    testTimeout: 20_000,
  },
});
