// Engines of a test's own making, in the real sandbox, as supervision starts them.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Engine } from '../../../backend/engine/engine.ts';
import { EngineClient } from '../../../backend/engine/engine-client.ts';
import type { DriverName, SandboxedProgram } from '../../../backend/engine/sandbox/sandboxed-engine.ts';
import { startInSandbox } from '../../../backend/engine/sandbox/start-in-sandbox.ts';
import { processClock } from '../../../backend/engine/supervisor/clock.ts';
import type { EngineEvent } from '../../../backend/engine/supervisor/engine-event.ts';
import { DEFAULT_RESTARTS } from '../../../backend/engine/supervisor/restart-budget.ts';
import { type StartPlace, startFreshIn } from '../../../backend/engine/supervisor/start-fresh.ts';
import type { Supervision } from '../../../backend/engine/supervisor/supervise-engine.ts';
import { DEFAULT_HEALTH } from '../../../backend/engine/supervisor/watch-health.ts';

export const random = (octets: number) => new Uint8Array(randomBytes(octets));

/** A supervision on the process's clock, in a run folder of its own, that notes what it tells. */
export function superviseHere(start: (place: StartPlace) => Promise<Engine>): {
  readonly supervision: Supervision;
  readonly events: EngineEvent[];
  readonly runFolder: string;
  remove(): void;
} {
  const runFolder = mkdtempSync('/tmp/cloister-run-');
  const events: EngineEvent[] = [];
  return {
    runFolder,
    events,
    supervision: {
      start: startFreshIn(runFolder, start),
      restarts: DEFAULT_RESTARTS,
      health: DEFAULT_HEALTH,
      clock: processClock,
      jitter: () => 0.5,
      log: (event) => void events.push(event),
    },
    remove: () => rmSync(runFolder, { recursive: true, force: true }),
  };
}

/** Starts a program whose `/health` answers at once. */
export async function startProgram(
  driver: DriverName,
  program: SandboxedProgram,
  place: StartPlace,
): Promise<Engine> {
  const sandboxed = await startInSandbox(driver, program, { ...place, random });
  const client = new EngineClient(sandboxed.socketPath);
  return {
    driver: sandboxed.driver,
    probe: sandboxed.probe,
    probeDigest: sandboxed.probeDigest,
    pid: sandboxed.pid,
    exited: sandboxed.exited,
    request: (request) => client.request(request),
    health: () => client.health(),
    async stop() {
      client.close();
      await sandboxed.stop();
    },
  };
}
