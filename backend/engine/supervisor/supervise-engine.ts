// Keeps one engine running: checks it, starts it again when it ends, and gives up when that does not help.

import type { Engine, EngineRequest, EngineResponse } from '../engine.ts';
import { EngineError } from '../engine-error.ts';
import type { EngineService, ServiceEnd } from '../engine-service.ts';
import type { SupervisionClock } from './clock.ts';
import { drainGate } from './drain-gate.ts';
import type { LogEngineEvent } from './engine-event.ts';
import { RequestGate } from './request-gate.ts';
import { RestartBudget, type RestartPolicy } from './restart-budget.ts';
import { codeOf, finalFailure, type StartEngine } from './start-fresh.ts';
import { type HealthPolicy, watchHealth } from './watch-health.ts';

/** What supervision is made of. */
export interface Supervision {
  readonly start: StartEngine;
  readonly restarts: RestartPolicy;
  readonly health: HealthPolicy;
  readonly clock: SupervisionClock;
  /** 0 up to 1, for the spacing of restarts. */
  readonly jitter: () => number;
  readonly log: LogEngineEvent;
}

/**
 * Starts an engine and keeps one running. A request that an engine was answering when it ended fails with `engine_crashed`; one
 * that comes while none runs fails with `engine_unavailable`, and `isAccepting` says so beforehand.
 * @throws whatever the first start throws; later ones end the service instead
 */
export async function superviseEngine(supervision: Supervision): Promise<EngineService> {
  const { start, clock, log } = supervision;
  const first = await start(undefined);
  const gate = new RequestGate();
  const budget = new RestartBudget(supervision.restarts, supervision.jitter);
  let current: Engine | undefined = first;
  let stopping = false;
  let hurry = (): void => {};
  const hurried = new Promise<void>((resolve) => {
    hurry = resolve;
  });
  let tellEnd: (end: ServiceEnd) => void = () => {};
  const ended = new Promise<ServiceEnd>((resolve) => {
    tellEnd = resolve;
  });

  const running = run(first);
  return {
    driver: first.driver,
    probe: first.probe,
    probeDigest: first.probeDigest,
    ended,
    get pids() {
      return current === undefined ? [] : [current.pid];
    },
    get isAccepting() {
      return gate.isOpen && current !== undefined;
    },
    request: (request: EngineRequest): Promise<EngineResponse> =>
      gate.pass(() => {
        if (current === undefined)
          throw new EngineError('engine_unavailable', 'The engine is being started again.');
        return current.request(request);
      }, request.signal),
    drain: (milliseconds) => drainGate(gate, milliseconds, clock, log),
    async stop() {
      stopping = true;
      gate.close();
      hurry();
      await current?.stop();
      await running;
    },
  };

  async function run(engine: Engine): Promise<void> {
    for (let next: Engine | undefined = engine; next !== undefined && !stopping; ) {
      const startedAt = clock.now();
      current = next;
      const fate = await watchHealth(next, supervision.health, clock);
      current = undefined;
      if (stopping) return;
      if (fate === 'unhealthy') log({ event: 'engine_unhealthy', checks: supervision.health.misses });
      await next.stop();
      const { signal } = await next.exited;
      log({ event: 'engine_exited', signal: signal !== null });
      next = await startAgain(clock.now() - startedAt);
    }
  }

  async function startAgain(ranMilliseconds: number): Promise<Engine | undefined> {
    for (let ran = ranMilliseconds; !stopping; ran = 0) {
      const milliseconds = budget.next(ran);
      if (milliseconds === undefined) return giveUp('engine_crash_loop');
      log({
        event: 'engine_restarting',
        attempt: budget.attempt,
        milliseconds: Math.round(milliseconds),
      });
      await Promise.race([clock.sleep(milliseconds), hurried]);
      if (stopping) return undefined;
      const beganAt = clock.now();
      try {
        const engine = await start(first.probe);
        if (stopping) return void (await engine.stop());
        const milliseconds = Math.round(clock.now() - beganAt);
        log({ event: 'engine_restarted', milliseconds, pid: engine.pid });
        return engine;
      } catch (error) {
        log({ event: 'engine_start_failed', code: codeOf(error) });
        const reason = finalFailure(error);
        if (reason !== undefined) return giveUp(reason);
      }
    }
    return undefined;
  }

  function giveUp(reason: ServiceEnd): undefined {
    gate.close();
    log({ event: 'engine_ended', reason });
    tellEnd(reason);
  }
}
