// Runs the edge on loopback in workerd, through wrangler, from wrangler.toml. The only file that imports wrangler.

import { fileURLToPath } from 'node:url';
import type { JSONWebKeySet } from 'jose';

// A local edge asks nobody on the internet anything and leaves its log in the checkout; wrangler reads these when it loads.
const QUIET_WRANGLER = {
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_LOG_PATH: fileURLToPath(new URL('../../.cloister/wrangler-logs', import.meta.url)),
};

export interface LocalEdge {
  readonly origin: string;
  stop(): Promise<void>;
}

/**
 * Starts the Worker on 127.0.0.1. `apiKeys`: hex SHA-256 of each key → account handle. `attestationKeys`: the attestation services
 * whose word admits a node. No node's address is configured anywhere: nodes register. State is kept under `stateFolder`.
 */
export async function startEdge(options: {
  readonly port: number;
  readonly apiKeys: Readonly<Record<string, string>>;
  readonly attestationKeys: JSONWebKeySet;
  readonly stateFolder: string;
}): Promise<LocalEdge> {
  const origin = `http://127.0.0.1:${options.port}`;
  Object.assign(process.env, QUIET_WRANGLER);
  const { unstable_startWorker } = await import('wrangler');
  const worker = await unstable_startWorker({
    config: fileURLToPath(new URL('../../wrangler.toml', import.meta.url)),
    bindings: {
      CLOISTER_ORIGIN: { type: 'plain_text', value: origin },
      CLOISTER_API_KEYS: { type: 'plain_text', value: JSON.stringify(options.apiKeys) },
      CLOISTER_ATTESTATION_KEYS: { type: 'plain_text', value: JSON.stringify(options.attestationKeys) },
    },
    dev: {
      server: { hostname: '127.0.0.1', port: options.port },
      inspector: false,
      watch: false,
      liveReload: false,
      logLevel: 'error',
      persist: options.stateFolder,
    },
    sendMetrics: false,
  });
  await worker.ready;
  return { origin, stop: () => worker.dispose() };
}
