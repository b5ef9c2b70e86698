// Runs a module in a workerd of its own, with the date, flags and Durable Object of wrangler.toml; keeps what it prints.

import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { unstable_readConfig as readConfig } from 'wrangler';

const configPath = fileURLToPath(new URL('../../wrangler.toml', import.meta.url));

/** A Worker in workerd. */
export interface RunningEdge {
  readonly port: number;
  /** Everything that it wrote to stdout and stderr. */
  readonly printed: () => Buffer;
  stop(): Promise<void>;
}

/** Starts `source` (one ES module). Its Durable Objects are kept under `stateFolder`. */
export async function runEdge(options: {
  readonly source: string;
  readonly bindings: Readonly<Record<string, string>>;
  readonly stateFolder: string;
}): Promise<RunningEdge> {
  const config = readConfig({ config: configPath });
  const printed: Buffer[] = [];
  const keep = (stream: Readable) => stream.on('data', (piece: Buffer) => printed.push(Buffer.from(piece)));
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      modules: [{ type: 'ESModule', path: 'index.js', contents: options.source }],
      ...(config.compatibility_date === undefined ? {} : { compatibilityDate: config.compatibility_date }),
      compatibilityFlags: config.compatibility_flags,
      durableObjects: { POOL: { className: 'Pool', useSQLite: true } },
      ratelimits: { NONCE_LIMIT: { namespace_id: '1', simple: { limit: 20, period: 10 } } },
      bindings: options.bindings,
      resourcePersistencePath: options.stateFolder,
      handleRuntimeStdio: (stdout: Readable, stderr: Readable) => {
        keep(stdout);
        keep(stderr);
      },
      handleStructuredLogs: ({ message }) => printed.push(Buffer.from(`${message}\n`)),
    }),
  );
  const url = await miniflare.ready;
  return {
    port: Number(url.port),
    printed: () => Buffer.concat(printed),
    stop: () => miniflare.dispose(),
  };
}
