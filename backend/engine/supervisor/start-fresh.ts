// Starts engines one after another, each in a run folder of its own, and says which failure of a start is final.

import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from '../engine.ts';
import { EngineError, type EngineErrorCode } from '../engine-error.ts';
import type { ServiceEnd } from '../engine-service.ts';
import { SandboxError, type SandboxErrorCode } from '../sandbox/sandbox-error.ts';
import type { ProbeReport } from '../sandbox/sandboxed-engine.ts';

/** Where and under which condition one engine starts. */
export interface StartPlace {
  /** A folder of this engine alone, mode 0700. */
  readonly runFolder: string;
  /** What its probe must find; absent for the first. */
  readonly expectedProbe?: ProbeReport;
}

/** Starts one engine, ready to answer. Its probe runs before, each time. */
export type StartEngine = (expectedProbe: ProbeReport | undefined) => Promise<Engine>;

/**
 * A starter that gives each engine the next folder below `parent` and removes it with the engine. Names are short: the path of a
 * Unix socket has 107 octets at most.
 */
export function startFreshIn(parent: string, start: (place: StartPlace) => Promise<Engine>): StartEngine {
  let count = 0;
  // of a node that was killed in the same folder, which is this node's alone
  for (const name of readdirSync(parent))
    if (/^e\d+$/.test(name)) rmSync(join(parent, name), { recursive: true, force: true });
  return async (expectedProbe) => {
    const runFolder = join(parent, `e${count++}`);
    const remove = () => rmSync(runFolder, { recursive: true, force: true });
    mkdirSync(runFolder, { mode: 0o700 });
    try {
      const engine = await start({ runFolder, ...(expectedProbe !== undefined && { expectedProbe }) });
      void engine.exited.then(async () => {
        await engine.stop();
        remove();
      });
      return engine;
    } catch (error) {
      remove();
      throw error;
    }
  };
}

/**
 * Why no further start may be tried; undefined where another one may do. A sandbox that leaks once is not asked again until it
 * does not, and a node never serves under a core that names another probe or model than it has.
 */
export function finalFailure(error: unknown): ServiceEnd | undefined {
  switch (codeOf(error)) {
    case 'sandbox_probe_failed':
      return 'engine_probe_failed';
    case 'sandbox_probe_changed':
      return 'engine_probe_changed';
    case 'engine_model_missing':
    case 'engine_model_mismatch':
    case 'engine_program_mismatch':
      return 'engine_model_changed';
    default:
      return undefined;
  }
}

/** The code of a failed start, for the log. */
export function codeOf(error: unknown): EngineErrorCode | SandboxErrorCode | 'unknown' {
  return error instanceof EngineError || error instanceof SandboxError ? error.code : 'unknown';
}
