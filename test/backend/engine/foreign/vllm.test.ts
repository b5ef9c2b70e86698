// vLLM's command line, environment and profile; and that a program in its place is started, found ready, and stopped. Not vLLM itself.

import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashTree } from '../../../../backend/engine/hash-tree.ts';
import { PRIVATE_SOCKET } from '../../../../backend/engine/sandbox/sandboxed-engine.ts';
import { startEngine } from '../../../../backend/engine/start-engine.ts';
import {
  digestVllm,
  FORBIDDEN_FLAGS,
  type VllmSetup,
  vllm,
  vllmArguments,
} from '../../../../backend/engine/vllm/vllm.ts';
import { drivers } from '../sandbox/machine.ts';

const lacking = drivers.find(({ driver }) => driver === 'bubblewrap')?.missing ?? '';
const folder = mkdtempSync(join(tmpdir(), 'vllm-'));
const model = join(folder, 'model');
const setup: VllmSetup = {
  python: '/opt/vllm/bin/python3',
  image: [{ path: '/opt/vllm', sha256: '1'.repeat(64) }],
  model: { id: 'org/model', path: '/models/model', sha256: '2'.repeat(64) },
  libraryPath: ['/opt/vllm/cuda'],
  sequences: 64,
  contextTokens: 8192,
  gpu: 3,
  gpuMemory: 0.9,
  toolCallParser: 'hermes',
  prefixCache: true,
};

beforeAll(() => {
  mkdirSync(model);
  writeFileSync(join(model, 'config.json'), '{}');
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('vLLM’s program', () => {
  const { program } = vllm(setup);

  it('is one line that serves one model on the private socket and says nothing', () => {
    expect(program.argv).toEqual([
      ...['/opt/vllm/bin/python3', '-P', '-m', 'vllm.entrypoints.cli.main', 'serve', '/models/model'],
      ...['--served-model-name', 'org/model', '--max-model-len', '8192', '--max-num-seqs', '64'],
      ...['--gpu-memory-utilization', '0.9', '--enable-prefix-caching'],
      ...['--enable-auto-tool-choice', '--tool-call-parser', 'hermes'],
      ...['--uds', PRIVATE_SOCKET, '--disable-uvicorn-access-log', '--uvicorn-log-level', 'critical'],
      ...['--no-enable-log-requests', '--disable-log-stats', '--disable-fastapi-docs'],
      ...['--load-format', 'safetensors', '--tensor-parallel-size', '1'],
    ]);
    const { toolCallParser: _, ...plain } = setup;
    const without = vllmArguments({ ...plain, prefixCache: false });
    expect(without).toContain('--no-enable-prefix-caching');
    expect(without).not.toContain('--tool-call-parser');
  });

  it('has none of the flags that open something', () => {
    for (const flag of FORBIDDEN_FLAGS) expect(program.argv).not.toContain(flag);
  });

  it('is offline, tells nobody, and keeps its caches in memory that ends with it', () => {
    expect(program.env).toMatchObject({
      HF_HUB_OFFLINE: '1',
      TRANSFORMERS_OFFLINE: '1',
      VLLM_NO_USAGE_STATS: '1',
      DO_NOT_TRACK: '1',
      VLLM_HOST_IP: '127.0.0.1',
      LD_LIBRARY_PATH: '/opt/vllm/cuda',
    });
    expect(program.env).not.toHaveProperty('VLLM_SERVER_DEV_MODE');
    const caches = Object.entries(program.env).filter(([name]) => /HOME|DIR$|CACHE|ROOT$/.test(name));
    expect(caches.length).toBeGreaterThan(5);
    for (const [, path] of caches) expect(path).toMatch(/^\/tmp(\/|$)/);
  });

  it('sees its GPU and the declared files under the profile cuda', () => {
    expect(program.kind).toBe('cuda');
    expect(program.devices).toEqual(['/dev/nvidiactl', '/dev/nvidia-uvm', '/dev/nvidia3']);
    expect(program.readOnly).toEqual(['/opt/vllm', '/models/model']);
  });

  it('has a digest that follows its image and its choices', () => {
    const digests = [
      digestVllm(setup),
      digestVllm({ ...setup, image: [{ path: '/opt/vllm', sha256: '3'.repeat(64) }] }),
      digestVllm({ ...setup, prefixCache: false }),
      digestVllm({ ...setup, toolCallParser: 'mistral' }),
    ];
    expect(new Set(digests).size).toBe(4);
    expect(digestVllm({ ...setup })).toBe(digests[0]);
  });

  it('is not prepared when a tree is another, or not there', async () => {
    const given = { ...setup, model: { ...setup.model, path: model } };
    await expect(vllm(given).prepare()).rejects.toMatchObject({ code: 'engine_model_mismatch' });
    const right = { ...given.model, sha256: await hashTree(model) };
    await expect(vllm({ ...given, model: right }).prepare()).rejects.toMatchObject({
      code: 'engine_program_mismatch',
    });
  });
});

describe('the digest of a tree', () => {
  it('follows names, octets and targets of links, and nothing else', async () => {
    const digests = new Set<string>();
    const tree = (name: string, change: (path: string) => void) => {
      const path = join(folder, name);
      mkdirSync(join(path, 'a'), { recursive: true });
      writeFileSync(join(path, 'a', 'b'), 'c');
      symlinkSync('b', join(path, 'a', 'link'));
      change(path);
      return path;
    };
    const first = tree('t1', () => undefined);
    digests.add(await hashTree(first));
    digests.add(await hashTree(tree('t2', (path) => writeFileSync(join(path, 'a', 'b'), 'd'))));
    digests.add(await hashTree(tree('t3', (path) => writeFileSync(join(path, 'a', 'e'), ''))));
    digests.add(await hashTree(tree('t4', (path) => symlinkSync('a', join(path, 'link')))));
    expect(digests.size).toBe(4);
    cpSync(first, join(folder, 't5'), { recursive: true, verbatimSymlinks: true });
    expect(await hashTree(join(folder, 't5'))).toBe([...digests][0]);
  });
});

// In place of vLLM: only that what `vllm` returns goes through the same start, and that its health is read as vLLM's is.
const STAND_IN = `
import { createServer } from 'node:http';
const path = process.argv[process.argv.indexOf('--uds') + 1];
let asked = 0;
createServer((request, response) => {
  response.statusCode = request.url === '/health' && ++asked < 3 ? 503 : 200;
  response.end(request.url === '/health' ? '' : JSON.stringify({ served: process.argv.includes('org/model') }));
}).listen(path);
`;

describe.skipIf(lacking !== '')(`a program in vLLM’s place${lacking}`, () => {
  it('is started by digest, waited for, asked, and stopped', async () => {
    const image = join(folder, 'image');
    mkdirSync(image);
    writeFileSync(join(image, 'stand-in.mjs'), STAND_IN);
    const node = realpathSync(process.execPath);
    const stand = vllm({
      ...setup,
      python: node,
      image: [
        { path: image, sha256: await hashTree(image) },
        { path: node, sha256: await hashTree(node) },
      ],
      model: { ...setup.model, path: model, sha256: await hashTree(model) },
      libraryPath: [],
    });
    const line = stand.program.argv.slice(stand.program.argv.indexOf('serve'));
    const { devices: _, ...program } = stand.program;
    const runFolder = mkdtempSync(join(folder, 'run-'));
    const engine = await startEngine({
      driver: 'auto',
      model: { id: 'org/model', path: model, sha256: '' },
      runFolder,
      random: (octets) => new Uint8Array(randomBytes(octets)),
      foreign: {
        ...stand,
        // this machine has no GPU: the profile without devices, and the stand-in where the interpreter's module would be
        program: { ...program, kind: 'uds', argv: [node, join(image, 'stand-in.mjs'), ...line] },
      },
    });
    expect([engine.driver, engine.probe.verdict]).toEqual(['bubblewrap', 'isolated']);
    const answer = await engine.request({
      method: 'GET',
      path: '/v1/models',
      headers: {},
      body: new Uint8Array(),
    });
    expect(await new Response(answer.body).json()).toEqual({ served: true });
    await engine.stop();
    await engine.exited;
    await expect(engine.health()).rejects.toMatchObject({ code: 'engine_unavailable' });
  }, 60_000);
});
