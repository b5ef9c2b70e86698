// `npm run test:interop`: other people's implementations against ours, where their toolchain is present.

import { buildRustPeer, type Check, rustChecks } from './rust-peer.ts';
import { findWycheproof, wycheproofChecks } from './wycheproof-checks.ts';

/** Long enough for a slow machine; a peer that waits for octets that never come must not wait for ever. */
const CHECK_MILLISECONDS = 30_000;

let failed = 0;

const absent = buildRustPeer();
if (absent !== undefined) process.stdout.write(`skipped: Rust peer, because ${absent}\n`);
else for (const check of rustChecks) await run(check);

const withoutVectors = findWycheproof();
if (withoutVectors !== undefined) process.stdout.write(`skipped: Wycheproof, because ${withoutVectors}\n`);
else for (const check of wycheproofChecks) await run(check);

process.exitCode = failed === 0 ? 0 : 1;

async function run(check: Check): Promise<void> {
  const started = performance.now();
  const timer = AbortSignal.timeout(CHECK_MILLISECONDS);
  const late = new Promise<never>((_, reject) => {
    timer.addEventListener('abort', () => reject(new Error('no end in time')), { once: true });
  });
  try {
    await Promise.race([check.run(), late]);
    process.stdout.write(`ok      ${check.name} (${Math.round(performance.now() - started)} ms)\n`);
  } catch (error) {
    failed++;
    process.stdout.write(`FAILED  ${check.name}: ${error instanceof Error ? error.message : 'unknown'}\n`);
  }
}
