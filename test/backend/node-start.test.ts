import { describe, expect, test } from 'vitest';
import { NodeConfigError, parseNodeConfig } from '../../backend/node-config.ts';
import { refuseTamperedEnvironment } from '../../backend/refuse-tampered-environment.ts';

describe('the environment of a node', () => {
  test.each([
    'LD_PRELOAD',
    'LD_LIBRARY_PATH',
    'NODE_OPTIONS',
    'NODE_EXTRA_CA_CERTS',
    'OPENSSL_CONF',
    'CLOISTER_X',
    'https_proxy',
  ])('with %s is refused, and the value is not told', (name) => {
    expect(() => refuseTamperedEnvironment({ [name]: 'a-value' }, [])).toThrow(
      expect.objectContaining({
        code: 'environment_tampered',
        message: expect.not.stringContaining('a-value'),
      }),
    );
  });

  test('with options of node itself is refused', () => {
    expect(() => refuseTamperedEnvironment({}, ['--inspect'])).toThrow(
      expect.objectContaining({ code: 'environment_tampered' }),
    );
  });

  test('that is empty passes', () => {
    expect(() => refuseTamperedEnvironment({}, [])).not.toThrow();
  });
});

describe('the configuration of a node', () => {
  const good = {
    listen: { host: '127.0.0.1', port: 0 },
    edge: 'http://127.0.0.1:8787',
    pool: 'default',
    tee: { kind: 'simulated', platform_folder: '/p', measured_folder: '/m' },
    manifest: '/manifest.json',
    policy: {},
    deployment: 'd',
    model_path: '/model.gguf',
    engine: { threads: 1, sequences: 1, context_tokens: 512, temperature: 0.2, top_p: 0.9 },
    sandbox: 'auto',
    run_folder: '/run',
  };

  test('is read when it is whole', () => {
    expect(parseNodeConfig(JSON.stringify(good))).toMatchObject({ pool: 'default' });
  });

  test('is refused with every problem at once, unknown keys included', () => {
    const bad = {
      ...good,
      edge: 'http://127.0.0.1:8787/path',
      sandbx: 'none',
      engine: { ...good.engine, threads: 0 },
    };
    expect(() => parseNodeConfig(JSON.stringify(bad))).toThrow(NodeConfigError);
    try {
      parseNodeConfig(JSON.stringify(bad));
    } catch (error) {
      expect((error as NodeConfigError).code).toBe('config_invalid');
      expect((error as NodeConfigError).problems.map((problem) => problem.split(':')[0])).toEqual(
        expect.arrayContaining(['edge', 'sandbx', 'engine.threads']),
      );
    }
  });

  test('is refused when it is not JSON', () => {
    expect(() => parseNodeConfig('{')).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  });
});
