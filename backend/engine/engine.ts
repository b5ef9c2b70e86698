// The contract of every engine: OpenAI's HTTP API on one socket, in a sandbox that was probed before it started.

import type { Bytes } from '../../shared/bytes/concat.ts';
import type { EngineExit, ProbeReport } from './sandbox/sandboxed-engine.ts';

/** Whom a request is for, as the seal and the ticket say. */
export interface Tenant {
  /** The client's session (base64url, 32 octets), from inside the seal. Absent: the request is a session of its own. */
  readonly session?: string;
  /** The account handle of the edge's ticket: the edge's word, which can give two accounts one handle. */
  readonly account?: string;
}

/** One request to the engine; paths are those of OpenAI's API. */
export interface EngineRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** For whom: what isolation goes by. It reaches no engine, but for a keyed hash by which ours takes turns (fair-share.ts). */
  readonly tenant?: Tenant;
  /** Aborting closes the connection, and with it the generation. */
  readonly signal?: AbortSignal;
}

/** The engine's answer as it comes. The engine is untrusted code: of its headers only `content-type` is here. */
export interface EngineResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Errors with an EngineError when the engine ends before its answer does; ends normally only when the answer is whole. */
  readonly body: ReadableStream<Bytes>;
}

/** How the engine is. */
export interface EngineHealth {
  readonly status: 'loading' | 'ready';
  /** Share of the model read so far, 0 to 1. */
  readonly progress: number;
  /** Requests being answered and waiting; absent while loading. */
  readonly busy?: number;
  readonly queued?: number;
  /** Requests that can be answered at the same time. */
  readonly total?: number;
}

/** An engine that is ready. */
export interface Engine {
  /** The sandbox driver that holds it. */
  readonly driver: string;
  /** What the probe tried in the same sandbox, and what happened. */
  readonly probe: ProbeReport;
  /** SHA-256 of the report, as it goes into the node's core. */
  readonly probeDigest: Bytes;
  readonly pid: number;
  /**
   * Sends one request.
   * @throws EngineError before the answer's head came; later failures error the body.
   */
  request(request: EngineRequest): Promise<EngineResponse>;
  /** @throws EngineError when the engine cannot be asked. */
  health(): Promise<EngineHealth>;
  /** Resolves when the process has ended, for whatever reason. */
  readonly exited: Promise<EngineExit>;
  /** Ends the process and removes its socket; safe to call twice. */
  stop(): Promise<void>;
}
