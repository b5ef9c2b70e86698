// What the start of an engine of others needs to know: its program, which octets it must be, and how it says that it is ready.

import type { EngineHealth } from './engine.ts';
import type { EngineClient } from './engine-client.ts';
import type { DriverName, SandboxedProgram } from './sandbox/sandboxed-engine.ts';

/** An engine that is not ours, and binds a socket of its own inside its sandbox. */
export interface ForeignEngine {
  readonly program: SandboxedProgram;
  /** Checks the octets that will run, the model's among them: called once before each start. @throws EngineError */
  readonly prepare: () => Promise<void>;
  /** @throws EngineError while it does not answer */
  readonly readHealth: (client: EngineClient) => Promise<EngineHealth>;
}

/** The driver for it: profiles with a private socket exist under bubblewrap alone, so that is what `auto` means here. */
export function foreignDriver(driver: DriverName): DriverName {
  return driver === 'auto' ? 'bubblewrap' : driver;
}

/**
 * Health by status: 200 is ready, 503 still loading. How far it is nobody says, so progress is 0 or 1.
 * @throws EngineError
 */
export async function readHealthByStatus(client: EngineClient): Promise<EngineHealth> {
  const asked = { method: 'GET', path: '/health', headers: {}, body: new Uint8Array() };
  const { status, body } = await client.request({
    ...asked,
    signal: AbortSignal.timeout(HEALTH_MILLISECONDS),
  });
  await body.cancel();
  return status === 200 ? { status: 'ready', progress: 1 } : { status: 'loading', progress: 0 };
}

const HEALTH_MILLISECONDS = 5000;
