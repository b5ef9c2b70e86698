import { describe, expect, test } from 'vitest';
import { readArguments, UsageError } from '../../deploy/local/arguments.ts';
import { ISOLATION_MODES } from '../../deploy/local/isolation-modes.ts';
import { readShape } from '../../shared/bytes/shape.ts';
import { isolationShape } from '../../shared/manifest/isolation.ts';

describe('the command line of npm start', () => {
  test('is empty by default', () => {
    expect(readArguments([], {})).toEqual({
      once: false,
      json: false,
      help: false,
      model: undefined,
      fault: undefined,
      encryptedWeights: false,
      isolation: 'shared',
      port: undefined,
    });
  });

  test('takes its options and the port from the environment', () => {
    expect(readArguments(['--once', '--json', '--fault', 'debug'], { CLOISTER_PORT: '9000' })).toMatchObject({
      once: true,
      json: true,
      fault: 'debug',
      port: 9000,
    });
  });

  test('takes encrypted weights', () => {
    expect(readArguments(['--encrypted-weights'], {}).encryptedWeights).toBe(true);
  });

  test('takes an isolation whose deployment parses', () => {
    for (const mode of ['shared', 'per-tenant', 'single-use'] as const) {
      expect(readArguments(['--isolation', mode], {}).isolation).toBe(mode);
      expect(readShape(isolationShape, ISOLATION_MODES[mode])).toMatchObject({ ok: true });
    }
  });

  test.each([
    [['--onec'], {}],
    [['extra'], {}],
    [['--isolation', 'none'], {}],
    [[], { CLOISTER_PORT: '99999' }],
    [[], { CLOISTER_PORT: 'x' }],
  ])('refuses %j %j', (argv, environment) => {
    expect(() => readArguments(argv, environment)).toThrow(UsageError);
  });
});
