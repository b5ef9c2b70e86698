// Starts an engine in a sandbox and waits until it can answer.

import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkModel } from './check-model.ts';
import type { Engine, EngineHealth, EngineRequest } from './engine.ts';
import { DEFAULT_ANSWER_CAPS, EngineClient } from './engine-client.ts';
import { EngineError } from './engine-error.ts';
import { LLAMA_SERVER_PATH, listEngineFiles } from './engine-files.ts';
import { shareFairly } from './fair-share.ts';
import { type ForeignEngine, foreignDriver } from './foreign-engine.ts';
import { planSandbox, type SandboxPlan } from './sandbox/plan-sandbox.ts';
import type {
  DriverName,
  EngineExit,
  ProbeReport,
  SandboxedProgram,
  SandboxLimits,
} from './sandbox/sandboxed-engine.ts';
import { startInSandbox } from './sandbox/start-in-sandbox.ts';

/** What to start. */
export interface EngineSetup {
  /** `auto` takes the strongest driver that works here and never `none`. */
  readonly driver: DriverName;
  readonly model: {
    /** The id that requests name. */
    readonly id: string;
    readonly path: string;
    /** Lower-case hex SHA-256 of the file; checked before anything is started. */
    readonly sha256: string;
  };
  /** Sampling where a request names none, as the model's makers recommend; OpenAI's defaults otherwise. */
  readonly sampling?: { readonly temperature: number; readonly topP: number };
  /** Threads that compute; one less than the processors, but at least one, when absent. */
  readonly threads?: number;
  /** Requests answered at the same time; 2 when absent. */
  readonly sequences?: number;
  /** Tokens of prompt and answer together; 2048 when absent. */
  readonly contextTokens?: number;
  /** Requests that may wait; 32 when absent. */
  readonly queue?: number;
  /** An engine of others in place of ours; what it needs to know of this setup it was told already. */
  readonly foreign?: ForeignEngine;
  /** An existing folder for the socket. */
  readonly runFolder: string;
  readonly random: (length: number) => Uint8Array;
  /** What an earlier start of the same engine found: another finding means no start. */
  readonly expectedProbe?: ProbeReport;
  /** Share of the model read so far, 0 to 1. */
  readonly onProgress?: (progress: number) => void;
  /** Milliseconds until ready; 120 000 when absent. */
  readonly startMilliseconds?: number;
}

const GIB = 1024 ** 3;
const POLL_MILLISECONDS = 50;
// The weights are mapped read-only and do not count; what counts is Node's heap and the key-value cache.
const LIMITS: SandboxLimits = { memoryBytes: 4 * GIB, processes: 256, openFiles: 512 };

/**
 * Starts the engine; the result is ready to answer.
 * @throws EngineError; whatever the sandbox throws when it cannot hold the engine (a failed probe means no start).
 */
export async function startEngine(setup: EngineSetup): Promise<Engine> {
  await (setup.foreign?.prepare() ?? checkModel(setup.model));
  const driver = setup.foreign === undefined ? setup.driver : foreignDriver(setup.driver);
  const sandboxed = await startInSandbox(driver, engineProgram(setup), {
    runFolder: setup.runFolder,
    random: setup.random,
    ...(setup.expectedProbe !== undefined && { expectedProbe: setup.expectedProbe }),
  });
  const client = new EngineClient(sandboxed.socketPath, DEFAULT_ANSWER_CAPS, {
    keepAlive: setup.foreign === undefined,
  });
  const share = setup.foreign === undefined ? shareFairly(setup.random) : (request: EngineRequest) => request;
  const health = () => setup.foreign?.readHealth(client) ?? client.health();
  const stop = async () => {
    client.close();
    await sandboxed.stop();
  };
  try {
    await untilReady(health, sandboxed.exited, setup);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    driver: sandboxed.driver,
    probe: sandboxed.probe,
    probeDigest: sandboxed.probeDigest,
    pid: sandboxed.pid,
    exited: sandboxed.exited,
    request: (request) => client.request(share(request)),
    health,
    stop,
  };
}

/** The sandbox that `startEngine` would use here for the same setup, for a manifest that names it beforehand. */
export function planEngine(setup: Pick<EngineSetup, 'driver' | 'model' | 'foreign'>): SandboxPlan {
  const driver = setup.foreign === undefined ? setup.driver : foreignDriver(setup.driver);
  return planSandbox(driver, engineProgram(setup));
}

function engineProgram(setup: Pick<EngineSetup, 'model'> & Partial<EngineSetup>): SandboxedProgram {
  if (setup.foreign !== undefined) return setup.foreign.program;
  return {
    argv: [process.execPath, '--no-warnings', LLAMA_SERVER_PATH, ...serverArguments(setup)],
    env: { HOME: '/' },
    readOnly: [...listEngineFiles(), setup.model.path],
    limits: LIMITS,
  };
}

/** Threads that leave one processor to everything else: the prebuilt llama.cpp spins while it waits. */
export function defaultThreads(): number {
  return Math.max(1, availableParallelism() - 1);
}

function serverArguments(setup: Pick<EngineSetup, 'model'> & Partial<EngineSetup>): string[] {
  const options: Record<string, string | number | undefined> = {
    '--model': setup.model.path,
    '--model-id': setup.model.id,
    '--threads': setup.threads ?? defaultThreads(),
    '--sequences': setup.sequences,
    '--context': setup.contextTokens,
    '--queue': setup.queue,
    '--temperature': setup.sampling?.temperature,
    '--top-p': setup.sampling?.topP,
  };
  return Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
}

async function untilReady(
  health: () => Promise<EngineHealth>,
  exited: Promise<EngineExit>,
  { onProgress, startMilliseconds = 120_000 }: EngineSetup,
): Promise<void> {
  const deadline = performance.now() + startMilliseconds;
  let ended: EngineExit | undefined;
  void exited.then((exit) => {
    ended = exit;
  });
  while (performance.now() < deadline) {
    if (ended !== undefined)
      throw new EngineError(
        'engine_start_failed',
        `The engine ended with ${ended.signal ?? `code ${ended.code}`}.`,
      );
    const found = await health().catch(() => undefined);
    if (found !== undefined) onProgress?.(found.progress);
    if (found?.status === 'ready') return;
    await sleep(POLL_MILLISECONDS);
  }
  throw new EngineError('engine_start_timeout', `The engine was not ready in ${startMilliseconds} ms.`);
}
