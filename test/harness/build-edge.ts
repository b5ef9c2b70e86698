// Builds the edge with wrangler, as a deployment would, into a temporary folder.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** esbuild's metafile, as far as tests read it. */
export interface Metafile {
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<
    Record<string, { readonly imports: readonly { readonly path: string; readonly external?: boolean }[] }>
  >;
}

export interface BuiltEdge {
  readonly metafile: Metafile;
  /** The one module that is deployed. */
  readonly bundle: Buffer;
}

/** Runs `wrangler deploy --dry-run` and reads what it wrote. Nothing is sent anywhere. */
export async function buildEdge(): Promise<BuiltEdge> {
  const folder = mkdtempSync(join(tmpdir(), 'cloister-bundle-'));
  try {
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
    return {
      metafile: JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')) as Metafile,
      bundle: readFileSync(join(folder, 'out/index.js')),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
