import { describe, expect, test } from 'vitest';
import { readArguments, UsageError } from '../../deploy/local/arguments.ts';

describe('the command line of npm start', () => {
  test('is empty by default', () => {
    expect(readArguments([], {})).toEqual({
      once: false,
      json: false,
      help: false,
      model: undefined,
      fault: undefined,
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

  test.each([
    [['--onec'], {}],
    [['extra'], {}],
    [[], { CLOISTER_PORT: '99999' }],
    [[], { CLOISTER_PORT: 'x' }],
  ])('refuses %j %j', (argv, environment) => {
    expect(() => readArguments(argv, environment)).toThrow(UsageError);
  });
});
