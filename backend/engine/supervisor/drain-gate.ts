// Closes a gate and waits for those inside, up to a deadline.

import type { SupervisionClock } from './clock.ts';
import type { LogEngineEvent } from './engine-event.ts';
import type { RequestGate } from './request-gate.ts';

/** @returns how many requests had not ended in time */
export async function drainGate(
  gate: RequestGate,
  milliseconds: number,
  clock: SupervisionClock,
  log: LogEngineEvent,
): Promise<number> {
  gate.close();
  if (gate.inside === 0) return 0;
  log({ event: 'engine_draining', requests: gate.inside });
  await Promise.race([gate.empty(), clock.sleep(milliseconds)]);
  log({ event: 'engine_drained', unfinished: gate.inside });
  return gate.inside;
}
