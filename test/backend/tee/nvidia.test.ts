import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNvidiaDriver } from '../../../backend/tee/nvidia/nvidia-driver.ts';
import { type Nvml, openNvml } from '../../../backend/tee/nvidia/nvml.ts';
import { toBase64 } from '../../../shared/bytes/base64url.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { makeChain } from '../../shared/verifier/nvidia-fixture.ts';

const haveCompiler = spawnSync('cc', ['--version']).error === undefined;
const skipped = haveCompiler ? '' : ' (skipped: no C compiler for the library of the test)';
const chain = makeChain();
const pem = chain
  .map(
    (der) =>
      `-----BEGIN CERTIFICATE-----\n${toBase64(der).replace(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n`,
  )
  .join('');
const nonce = new Uint8Array(32).fill(0xa5);

describe.skipIf(!haveCompiler)(`NVIDIA’s management library${skipped}`, () => {
  let folder: string;
  let library: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'nvml-'));
    library = join(folder, 'libnvidia-ml.so.1');
    const source = fileURLToPath(new URL('nvidia-library.c', import.meta.url));
    execFileSync('cc', ['-shared', '-fPIC', '-o', library, source]);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  // The library reads the process's own environment, which a worker of the test runner has only a copy of: so it is a child.
  const run = (environment: Record<string, string> = {}): unknown => {
    const program = `
      import { openNvml } from ${JSON.stringify(new URL('../../../backend/tee/nvidia/nvml.ts', import.meta.url).href)};
      import { createNvidiaDriver } from ${JSON.stringify(new URL('../../../backend/tee/nvidia/nvidia-driver.ts', import.meta.url).href)};
      try {
        const nvml = await openNvml(${JSON.stringify(library)});
        const driver = createNvidiaDriver(nvml);
        const evidence = await driver.attest(new Uint8Array(32).fill(0xa5));
        driver.setReady();
        nvml.close();
        console.log(JSON.stringify(evidence.map(({ kind, report, chain }) => ({ kind, report: [...report], chain: chain.length }))));
      } catch (error) {
        console.log(JSON.stringify({ code: error.code, message: error.message }));
      }`;
    const output = execFileSync(
      process.execPath,
      ['--no-warnings', '--input-type=module', '--eval', program],
      {
        env: { PATH: process.env.PATH, FAKE_NVML_PEM: pem, ...environment },
        encoding: 'utf8',
      },
    );
    return JSON.parse(output);
  };

  it('gives a report and five certificates of each GPU, over the nonce', () => {
    expect(run()).toEqual([0, 1].map((gpu) => ({ kind: 'nvidia-gpu', report: [gpu, ...nonce], chain: 5 })));
  });
  it.each([
    ['confidential mode off', { FAKE_NVML_FEATURE: '0' }, 'tee_unavailable'],
    ['developer tools on', { FAKE_NVML_DEVTOOLS: '1' }, 'tee_unavailable'],
    ['a simulated environment', { FAKE_NVML_ENVIRONMENT: '1' }, 'tee_unavailable'],
    ['an unknown environment', { FAKE_NVML_ENVIRONMENT: '9' }, 'tee_answer_malformed'],
    ['no GPU', { FAKE_NVML_COUNT: '0' }, 'tee_unavailable'],
    ['more GPUs than there are', { FAKE_NVML_COUNT: '3' }, 'tee_refused'],
    ['too many GPUs', { FAKE_NVML_COUNT: '17' }, 'tee_answer_malformed'],
    ['a library that does not start', { FAKE_NVML_INIT: '9' }, 'tee_unavailable'],
    ['a driver that refuses', { FAKE_NVML_REPORT: '3' }, 'tee_refused'],
    ['a report of no length', { FAKE_NVML_SIZE: '0' }, 'tee_answer_malformed'],
    ['a report longer than its room', { FAKE_NVML_SIZE: '8193' }, 'tee_answer_malformed'],
    ['certificates that are none', { FAKE_NVML_PEM: 'no PEM' }, 'tee_answer_malformed'],
    [
      'four certificates',
      { FAKE_NVML_PEM: pem.slice(0, pem.lastIndexOf('-----BEGIN')) },
      'tee_answer_malformed',
    ],
  ])('is refused with %s', (_, environment, code) => {
    expect(run(environment as Record<string, string>)).toMatchObject({ code });
  });
});

describe('a machine without NVIDIA’s library', () => {
  it('says so', async () => {
    await expect(openNvml('/nowhere/libnvidia-ml.so.1')).rejects.toMatchObject({ code: 'tee_unavailable' });
  });
});

describe('GPUs whose mode changes', () => {
  it('are refused at the next question', async () => {
    let enabled = true;
    const nvml: Nvml = {
      gpus: 1,
      confidentialState: () => ({ environment: 'production', enabled, developerTools: false }),
      report: (_, asked) => asked,
      certificateChain: () => new TextEncoder().encode(`${pem}\0garbage`) as Bytes,
      setReady: () => {},
      close: () => {},
    };
    const driver = createNvidiaDriver(nvml);
    expect((await driver.attest(nonce))[0]).toMatchObject({ report: nonce, chain });
    enabled = false;
    await expect(driver.attest(nonce)).rejects.toMatchObject({ code: 'tee_unavailable' });
  });
});
