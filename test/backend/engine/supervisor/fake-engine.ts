// Engines that do as they are told, a clock that a test moves, and a supervision made of both.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type {
  Engine,
  EngineHealth,
  EngineRequest,
  EngineResponse,
} from '../../../../backend/engine/engine.ts';
import { EngineError } from '../../../../backend/engine/engine-error.ts';
import type { EngineExit, ProbeReport } from '../../../../backend/engine/sandbox/sandboxed-engine.ts';
import type { SupervisionClock } from '../../../../backend/engine/supervisor/clock.ts';
import type { EngineEvent } from '../../../../backend/engine/supervisor/engine-event.ts';
import { DEFAULT_RESTARTS } from '../../../../backend/engine/supervisor/restart-budget.ts';
import type { Supervision } from '../../../../backend/engine/supervisor/supervise-engine.ts';

export const PROBE: ProbeReport = {
  driver: 'landlock',
  kernel: '6.18.0',
  landlockAbi: 7,
  profileDigest: '00'.repeat(32),
  nonce: '11'.repeat(32),
  results: [],
  verdict: 'isolated',
};

/** An engine whose answers end when the test says so. */
export class FakeEngine implements Engine {
  static count = 0;
  readonly driver = 'landlock';
  readonly probe = PROBE;
  readonly probeDigest = new Uint8Array(32);
  readonly pid = ++FakeEngine.count;
  readonly exited: Promise<EngineExit>;
  isHealthy = true;
  stops = 0;
  /** Everything that it was asked. */
  readonly asked: EngineRequest[] = [];
  readonly #open = new Set<ReadableStreamDefaultController>();
  #exit: (exit: EngineExit) => void = () => {};
  #ended = false;
  constructor() {
    this.exited = new Promise((resolve) => {
      this.#exit = resolve;
    });
  }
  async request(request: EngineRequest): Promise<EngineResponse> {
    if (this.#ended) throw new EngineError('engine_unavailable', 'Nothing listens.');
    this.asked.push(request);
    let own: ReadableStreamDefaultController | undefined;
    const body = new ReadableStream({
      start: (controller) => {
        own = controller;
        this.#open.add(controller);
      },
      cancel: () => void (own && this.#open.delete(own)),
    });
    return { status: 200, headers: {}, body };
  }
  async health(): Promise<EngineHealth> {
    if (!this.isHealthy) throw new EngineError('engine_timeout', 'No answer.');
    return { status: 'ready', progress: 1 };
  }
  /** Ends every answer that is open. */
  answer(text = ''): void {
    for (const controller of this.#open) {
      if (text !== '') controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    }
    this.#open.clear();
  }
  crash(signal: string | null = 'SIGKILL'): void {
    this.#ended = true;
    for (const controller of this.#open) controller.error(new EngineError('engine_crashed', 'Gone.'));
    this.#open.clear();
    this.#exit({ code: null, signal });
  }
  async stop(): Promise<void> {
    this.stops++;
    this.crash('SIGKILL');
  }
}

/** A clock that stands still until it is moved. */
export class ManualClock implements SupervisionClock {
  #now = 0;
  #sleepers: { readonly at: number; readonly resolve: () => void }[] = [];
  now(): number {
    return this.#now;
  }
  sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.#sleepers.push({ at: this.#now + milliseconds, resolve }));
  }
  /** Moves it on in small steps, letting everything happen that is due. */
  async advance(milliseconds: number, step = 50): Promise<void> {
    await settle();
    for (const end = this.#now + milliseconds; this.#now < end; ) {
      this.#now = Math.min(end, this.#now + step);
      const due = this.#sleepers.filter(({ at }) => at <= this.#now);
      this.#sleepers = this.#sleepers.filter(({ at }) => at > this.#now);
      for (const { resolve } of due) resolve();
      await settle();
    }
  }
}

export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await nextTurn();
}

/** A supervision over fake engines. `failures`: what starts throw, in turn; undefined starts. */
export function fakeSupervision(failures: (Error | undefined)[] = []) {
  const engines: FakeEngine[] = [];
  const events: EngineEvent[] = [];
  const clock = new ManualClock();
  const expected: (ProbeReport | undefined)[] = [];
  const supervision: Supervision = {
    start: async (probe) => {
      expected.push(probe);
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      const engine = new FakeEngine();
      engines.push(engine);
      return engine;
    },
    restarts: DEFAULT_RESTARTS,
    health: { everyMilliseconds: 1000, misses: 3 },
    clock,
    jitter: () => 1,
    log: (event) => void events.push(event),
  };
  return { supervision, engines, events, clock, expected };
}

export const ask = (session?: string, signal?: AbortSignal): EngineRequest => ({
  method: 'POST',
  path: '/v1/chat/completions',
  headers: {},
  body: new Uint8Array(),
  ...(session !== undefined && { tenant: { session, account: 'account' } }),
  ...(signal !== undefined && { signal }),
});
