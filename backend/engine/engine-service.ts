// What serves requests to the rest of the node: one engine or many, supervised, behind the same call.

import type { Bytes } from '../../shared/bytes/concat.ts';
import type { EngineRequest, EngineResponse } from './engine.ts';
import type { ProbeReport } from './sandbox/sandboxed-engine.ts';

/**
 * Why a service ended by itself. Each of them ends the node: its core names a probe and a model that it can no longer show.
 * - `engine_crash_loop`: engines ended again and again before any of them ran for long.
 * - `engine_probe_failed`: before a later start an escape attempt went through, or the probe gave no answer.
 * - `engine_probe_changed`: before a later start the probe found something else than what the node's core names.
 * - `engine_model_changed`: the model's file is gone, or no longer the one that the deployment names.
 */
export type ServiceEnd =
  | 'engine_crash_loop'
  | 'engine_probe_failed'
  | 'engine_probe_changed'
  | 'engine_model_changed';

/** Serves requests for as long as the node lives, whatever becomes of single engines. */
export interface EngineService {
  /** The sandbox driver that holds every engine. */
  readonly driver: string;
  /** What the probe found before the first engine; no later engine starts unless its own probe found the same. */
  readonly probe: ProbeReport;
  /** SHA-256 of that report, as it goes into the node's core. */
  readonly probeDigest: Bytes;
  /** The engines that run now. */
  readonly pids: readonly number[];
  /** Whether a request that comes now is begun or queued. False while the only engine restarts, while draining, and afterwards. */
  readonly isAccepting: boolean;
  /**
   * Sends one request, after waiting for an engine where the isolation calls for that.
   * @throws EngineError before the answer's head came; later failures error the body. `engine_unavailable`: not begun.
   */
  request(request: EngineRequest): Promise<EngineResponse>;
  /**
   * Takes no more requests and waits for those that run.
   * @returns how many had not ended after so many milliseconds
   */
  drain(milliseconds: number): Promise<number>;
  /** Ends every engine; what still runs fails with `engine_crashed`. Safe to call twice. */
  stop(): Promise<void>;
  /** Resolves when the service has ended by itself; never after `stop`. */
  readonly ended: Promise<ServiceEnd>;
}
