// What is in the edge, from the bundler's own list of inputs: nothing that can open a sealed byte.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'cloister-bundle-'));

/** esbuild's metafile, as far as it is read here. */
interface Metafile {
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<
    Record<string, { readonly imports: readonly { readonly path: string; readonly external?: boolean }[] }>
  >;
}

let metafile: Metafile;
let bundle: Buffer;

beforeAll(async () => {
  await promisify(execFile)(
    process.execPath,
    [
      join(repository, 'node_modules/wrangler/bin/wrangler.js'),
      'deploy',
      '--dry-run',
      `--outdir=${join(folder, 'out')}`,
      `--metafile=${join(folder, 'meta.json')}`,
    ],
    {
      cwd: repository,
      env: {
        ...process.env,
        CI: '1',
        WRANGLER_SEND_METRICS: 'false',
        WRANGLER_LOG_PATH: join(folder, 'logs'),
      },
    },
  );
  metafile = JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')) as Metafile;
  bundle = readFileSync(join(folder, 'out/index.js'));
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The package of an input, or undefined for a file of ours. */
function packageOf(input: string): string | undefined {
  return /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(input)?.[1];
}

describe('the edge bundle', () => {
  it('is made of functions, shared/wire and shared/bytes, and of no other file of ours', () => {
    const ours = Object.keys(metafile.inputs).filter((input) => packageOf(input) === undefined);
    expect(ours).toContain('functions/index.ts');
    expect(ours.filter((input) => !/^(functions|shared\/wire|shared\/bytes)\//.test(input))).toEqual([]);
  });

  it('holds three packages, and none that knows HPKE, a KEM or a curve', () => {
    const packages = new Set(Object.keys(metafile.inputs).map(packageOf));
    packages.delete(undefined);
    expect([...packages].sort()).toEqual(['hono', 'jose', 'valibot']);
  });

  it('imports nothing at run time but the runtime itself', () => {
    const external = Object.values(metafile.outputs).flatMap((output) => output.imports);
    expect(external.map((each) => each.path)).toEqual(['cloudflare:workers']);
  });

  it('has no string of the sealing path in it', () => {
    const text = bundle.toString('utf8');
    // The labels without which nothing sealed can be opened (RFC 9458 section 4, draft-08 section 6).
    for (const label of ['message/bhttp', 'HPKE-v1']) expect(text.includes(label), label).toBe(false);
    // The search finds what is there.
    expect(text.includes('message/ohttp-chunked-req')).toBe(true);
  });

  it('is small', () => {
    const octets = gzipSync(bundle).length;
    process.stderr.write(`edge bundle: ${bundle.length} octets, ${octets} gzipped\n`);
    expect(octets).toBeLessThan(40 * 1024);
  });
});
