// What a supervisor tells the node's operator: a closed set of events whose fields are numbers and known words.

import type { EngineErrorCode } from '../engine-error.ts';
import type { ServiceEnd } from '../engine-service.ts';
import type { SandboxErrorCode } from '../sandbox/sandbox-error.ts';

/** Every event of an engine's life. Nothing of a request fits any of these types. */
export type EngineEvent =
  /** Octets of the model read so far, of all. */
  | { readonly event: 'engine_loading'; readonly bytes: number; readonly total: number }
  /** An engine ended, by a signal or by itself. Requests that it was answering say so themselves (`request_answered`). */
  | { readonly event: 'engine_exited'; readonly signal: boolean }
  /** An engine missed so many checks in a row, and was ended. */
  | { readonly event: 'engine_unhealthy'; readonly checks: number }
  | { readonly event: 'engine_restarting'; readonly attempt: number; readonly milliseconds: number }
  | { readonly event: 'engine_restarted'; readonly milliseconds: number; readonly pid: number }
  | { readonly event: 'engine_start_failed'; readonly code: EngineErrorCode | SandboxErrorCode | 'unknown' }
  | { readonly event: 'engine_draining'; readonly requests: number }
  | { readonly event: 'engine_drained'; readonly unfinished: number }
  /** Engines of an isolated deployment: bound to a tenant, and waiting for one. */
  | { readonly event: 'engine_pool'; readonly bound: number; readonly spare: number; readonly queued: number }
  | { readonly event: 'engine_ended'; readonly reason: ServiceEnd };

export type LogEngineEvent = (event: EngineEvent) => void;
