// Runs the engine's program for a test, outside any sandbox, on a socket that the test made.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineClient } from '../../../backend/engine/engine-client.ts';
import { LLAMA_SERVER_PATH } from '../../../backend/engine/engine-files.ts';

export interface RunningServer {
  readonly client: EngineClient;
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  /** Octets that the program wrote to stdout and stderr. */
  output(): number;
  /** POSTs JSON to the chat completions. */
  chat(body: object, signal?: AbortSignal): Promise<{ status: number; type: string; text: string }>;
  /** Waits until as many requests are being answered and waiting. */
  untilCounts(busy: number, queued: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the program and, unless `ready` is false, waits until its model is loaded. */
export async function runLlamaServer(args: readonly string[], ready = true): Promise<RunningServer> {
  const folder = mkdtempSync(join(tmpdir(), 'llama-'));
  const bound = join(folder, 'bound.sock');
  const socketPath = join(folder, 'engine.sock');
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(bound, resolve));
  let octets = 0;
  const child = spawn(process.execPath, [LLAMA_SERVER_PATH, ...args], {
    stdio: ['pipe', 'pipe', 'pipe', fdOf(listener)],
    env: { HOME: '/' },
  });
  const count = (piece: Buffer) => {
    octets += piece.length;
  };
  child.stdout?.on('data', count);
  child.stderr?.on('data', count);
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  // Closing a listener unlinks the name it was bound to; the renamed socket stays, and only the child accepts.
  renameSync(bound, socketPath);
  listener.close();
  const client = new EngineClient(socketPath);
  const server: RunningServer = {
    client,
    child,
    exited,
    output: () => octets,
    chat: async (body, signal) => {
      const answer = await client.request({
        method: 'POST',
        path: '/v1/chat/completions',
        headers: { 'content-type': 'application/json' },
        body: new TextEncoder().encode(JSON.stringify(body)),
        ...(signal ? { signal } : {}),
      });
      return {
        status: answer.status,
        type: answer.headers['content-type'] ?? '',
        text: await new Response(answer.body).text(),
      };
    },
    untilCounts: (busy, queued) =>
      until(async () => {
        const health = await client.health();
        return health.busy === busy && health.queued === queued;
      }),
    stop: async () => {
      client.close();
      child.stdin?.end();
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
  if (ready) await until(async () => (await client.health()).status === 'ready');
  return server;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 45_000;
  while (performance.now() < deadline) {
    if (await isSo().catch(() => false)) return;
    await sleep(10);
  }
  throw new Error('it did not come to that in 45 s');
}

function fdOf(listener: Server): number {
  const fd = (listener as unknown as { _handle?: { fd?: number } })._handle?.fd;
  if (fd === undefined || fd < 0) throw new Error('this Node does not tell the descriptor of a listener');
  return fd;
}
