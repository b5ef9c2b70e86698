// Starts one node of the backend as a process of its own, with an empty environment, and follows its events.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { JSONWebKeySet } from 'jose';
import type { ProbeReport } from '../../backend/engine/sandbox/sandboxed-engine.ts';
import type { VerificationCode } from '../../shared/verifier/verification-error.ts';

/** The events of backend/main.ts that a supervisor acts on. */
export type SupervisedEvent =
  | { readonly event: 'attestation_service'; readonly jwks: JSONWebKeySet }
  | {
      readonly event: 'weights_in_memory';
      readonly bytes: number;
      readonly isPrivate: boolean;
      readonly maySwap: boolean;
    }
  | { readonly event: 'engine_loading'; readonly bytes: number; readonly total: number }
  | { readonly event: 'engine_ready'; readonly driver: string; readonly probe: ProbeReport }
  | {
      readonly event: 'listening';
      readonly address: string;
      readonly node: string;
      readonly pid: number;
      readonly enginePid: number;
    }
  | { readonly event: 'registered' }
  | { readonly event: 'manifest_in_force'; readonly serial: number }
  | { readonly event: 'manifest_refused'; readonly code: string }
  | { readonly event: 'appraisal_refused'; readonly code: VerificationCode | 'node_revoked' }
  | { readonly event: 'start_failed'; readonly code: string; readonly message: string };

export interface LocalNode {
  readonly pid: number;
  /** Resolves with the first event of that name; rejects when the node ends or says that it cannot start. */
  once<Name extends SupervisedEvent['event']>(name: Name): Promise<Extract<SupervisedEvent, { event: Name }>>;
  /** Resolves when the process has ended. */
  readonly exited: Promise<number | null>;
  stop(): Promise<void>;
}

const STOP_MILLISECONDS = 5_000;

/** The node could not start, or ended before it was ready. */
export class NodeStartError extends Error {
  override readonly name = 'NodeStartError';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The descriptor behind which a started node finds its secret. */
export const SECRET_DESCRIPTOR = 3;

/**
 * Starts `backend/main.ts` with the configuration file. Its stdin is held open: when this process dies, so does the node.
 * @param secret what the node reads from `SECRET_DESCRIPTOR`, through a pipe.
 */
export function startNode(
  configPath: string,
  onEvent: (event: SupervisedEvent) => void,
  secret?: string,
): LocalNode {
  const main = fileURLToPath(new URL('../../backend/main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, configPath], {
    env: {},
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  // A node that ends before it has read this says why by itself.
  (child.stdio[SECRET_DESCRIPTOR] as Writable).on('error', () => undefined).end(secret ?? '');
  const seen = new Map<string, SupervisedEvent>();
  const waiting = new Map<string, { resolve: (event: never) => void; reject: (error: Error) => void }[]>();
  let failure: NodeStartError | undefined;
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-2000);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = JSON.parse(line) as SupervisedEvent;
    if (event.event === 'start_failed') fail(new NodeStartError(event.code, event.message));
    if (!seen.has(event.event)) {
      seen.set(event.event, event);
      for (const { resolve } of waiting.get(event.event) ?? []) resolve(event as never);
      waiting.delete(event.event);
    }
    onEvent(event);
  });
  const exited = new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(null));
    child.on('close', (code) => {
      fail(new NodeStartError('node_ended', `the node ended with code ${code}. ${complaint.trim()}`));
      resolve(code);
    });
  });

  return {
    pid: child.pid ?? 0,
    exited,
    once(name) {
      return new Promise((resolve, reject) => {
        const event = seen.get(name);
        if (event !== undefined) return resolve(event as never);
        if (failure !== undefined) return reject(failure);
        waiting.set(name, [...(waiting.get(name) ?? []), { resolve, reject }]);
      });
    },
    async stop() {
      child.stdin.end();
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MILLISECONDS);
      await exited;
      clearTimeout(timer);
    },
  };

  function fail(error: NodeStartError): void {
    failure ??= error;
    for (const list of waiting.values()) for (const { reject } of list) reject(failure);
    waiting.clear();
  }
}
