// What each isolation costs against a shared engine, in the same run: the wait for a first answer, memory, and throughput of two sessions.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineService } from '../../backend/engine/engine-service.ts';
import { serveIsolated } from '../../backend/engine/isolation/serve-isolated.ts';
import { startEngine } from '../../backend/engine/start-engine.ts';
import { processClock } from '../../backend/engine/supervisor/clock.ts';
import { DEFAULT_RESTARTS } from '../../backend/engine/supervisor/restart-budget.ts';
import { startFreshIn } from '../../backend/engine/supervisor/start-fresh.ts';
import { DEFAULT_HEALTH } from '../../backend/engine/supervisor/watch-health.ts';
import type { Isolation } from '../../shared/manifest/isolation.ts';
import { drivers } from '../backend/engine/sandbox/machine.ts';
import { figure, type Outcome } from './measure.ts';
import { benchModel, generate } from './sandbox.ts';

const MODES: Readonly<Record<string, Isolation>> = {
  shared: 'shared',
  'per-tenant': { mode: 'per-tenant', by: 'session', engines: 3, idle_seconds: 600 },
  'single-use': { mode: 'single-use', spares: 2, engines: 4, linger_seconds: 600 },
};
const TOKENS = 48;
const ROUNDS = 3;
const MEBIBYTE = 1 << 20;
const session = () => randomBytes(32).toString('base64url');

interface Cost {
  /** Milliseconds to a whole answer of one token, for a session that never asked before. */
  readonly first: number;
  /** Octets that one more engine adds, and all that it has mapped: the difference is shared, the weights above all. */
  readonly own: number;
  readonly resident: number;
  /** Tokens per second of two sessions together. */
  readonly together: number;
}

/** Figures of every mode; floor: one engine for all. */
export async function* isolationFigures(): AsyncGenerator<Outcome> {
  if (drivers.every(({ missing }) => missing !== ''))
    return yield { name: 'isolation', skipped: 'no sandbox driver on this machine' };
  const folder = mkdtempSync('/tmp/cloister-run-');
  try {
    const model = await benchModel(folder);
    const costs = new Map<string, Cost>();
    for (const [name, isolation] of Object.entries(MODES))
      costs.set(name, await measureMode(isolation, model, mkdtempSync(join(folder, 'm-'))));
    const shared = costs.get('shared');
    for (const [name, cost] of costs) {
      if (shared === undefined) return;
      yield figure(`isolation ${name}, first answer of a session`, cost.first, 'ms', shared.first);
      yield figure(`isolation ${name}, two sessions at once`, cost.together, 'tokens/s', shared.together);
      yield figure(
        `isolation ${name}, memory of one engine`,
        cost.own / MEBIBYTE,
        'MiB',
        cost.resident / MEBIBYTE,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureMode(
  isolation: Isolation,
  model: { readonly id: string; readonly path: string; readonly sha256: string },
  runFolder: string,
): Promise<Cost> {
  const random = (octets: number) => new Uint8Array(randomBytes(octets));
  const service = await serveIsolated(isolation, {
    start: startFreshIn(runFolder, (place) =>
      startEngine({ driver: 'auto', model, threads: 1, sequences: 2, contextTokens: 1024, random, ...place }),
    ),
    restarts: DEFAULT_RESTARTS,
    health: DEFAULT_HEALTH,
    clock: processClock,
    jitter: Math.random,
    log: () => {},
  });
  try {
    if (isolation !== 'shared' && isolation.mode === 'single-use')
      await until(() => service.pids.length === isolation.spares);
    // the first engine of a per-tenant node waits for anybody: it is taken before
    else await generate(service, 1, session());
    const sessions = [session(), session()] as const;
    const { milliseconds } = await generate(service, 1, sessions[0]);
    await generate(service, 1, sessions[1]);
    const memory = memoryOf(service);
    let together = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const started = performance.now();
      const answers = await Promise.all(sessions.map((one) => generate(service, TOKENS, one)));
      const tokens = answers.reduce((sum, answer) => sum + answer.tokens, 0);
      together = Math.max(together, (1000 * tokens) / (performance.now() - started));
    }
    return { first: milliseconds, together, ...memory };
  } finally {
    await service.stop();
  }
}

/** Of the service's first engine, with all that it started. What is private would not be there without it. */
function memoryOf(service: EngineService): { own: number; resident: number } {
  const [pid = 0] = service.pids;
  let own = 0;
  let resident = 0;
  for (const one of familyOf(pid)) {
    const rollup = readFileSync(`/proc/${one}/smaps_rollup`, 'latin1');
    const sum = (pattern: RegExp) =>
      [...rollup.matchAll(pattern)].reduce((total, [, kibibytes]) => total + 1024 * Number(kibibytes), 0);
    own += sum(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm);
    resident += sum(/^Rss:\s+(\d+) kB$/gm);
  }
  return { own, resident };
}

function familyOf(pid: number): number[] {
  const found = [pid];
  for (const task of readdirSync(`/proc/${pid}/task`))
    for (const child of readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').trim().split(' '))
      if (child !== '') found.push(...familyOf(Number(child)));
  return found;
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 60_000; !holds(); ) {
    if (performance.now() > end) throw new Error('the spares did not start in a minute');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
