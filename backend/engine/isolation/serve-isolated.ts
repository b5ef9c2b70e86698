// From a deployment's isolation to the service that keeps it.

import type { Isolation } from '../../../shared/manifest/isolation.ts';
import type { EngineService } from '../engine-service.ts';
import { type Supervision, superviseEngine } from '../supervisor/supervise-engine.ts';
import { startEnginePool } from './engine-pool.ts';

/** Requests that may wait for an engine of their own. */
const QUEUE = 64;

/**
 * Starts the engines of a deployment.
 * @throws whatever the first start throws
 */
export async function serveIsolated(isolation: Isolation, supervision: Supervision): Promise<EngineService> {
  // its prefix cache is divided by the adapter's salts
  if (isolation === 'shared') return superviseEngine(supervision);
  const { engines } = isolation;
  return isolation.mode === 'per-tenant'
    ? startEnginePool(
        {
          by: isolation.by,
          spares: 0,
          engines,
          idleMilliseconds: isolation.idle_seconds * 1000,
          queue: QUEUE,
        },
        supervision,
      )
    : startEnginePool(
        {
          by: 'session',
          spares: isolation.spares,
          engines,
          idleMilliseconds: isolation.linger_seconds * 1000,
          queue: QUEUE,
        },
        supervision,
      );
}

/** Engines that may compute at the same time: what a node's load is measured against. */
export function enginesOf(isolation: Isolation): number {
  return isolation === 'shared' ? 1 : isolation.engines;
}
