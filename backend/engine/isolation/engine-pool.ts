// Engines of which each serves one tenant only: bound to the first that it is given, ended when that one is gone.

import { createHash } from 'node:crypto';
import type { Engine, EngineRequest, Tenant } from '../engine.ts';
import { EngineError } from '../engine-error.ts';
import type { EngineService, ServiceEnd } from '../engine-service.ts';
import { drainGate } from '../supervisor/drain-gate.ts';
import { RequestGate, whenOver } from '../supervisor/request-gate.ts';
import { RestartBudget } from '../supervisor/restart-budget.ts';
import { codeOf, finalFailure } from '../supervisor/start-fresh.ts';
import type { Supervision } from '../supervisor/supervise-engine.ts';
import { watchHealth } from '../supervisor/watch-health.ts';

/** How a pool keeps its tenants apart. */
export interface PoolPolicy {
  /** What makes a tenant; a request without it is a tenant of its own, for once. */
  readonly by: 'session' | 'account';
  /** Engines that are started before anybody asks. */
  readonly spares: number;
  /** Engines at most, those that start and those that end included. */
  readonly engines: number;
  /** A bound engine without requests for so long ends. */
  readonly idleMilliseconds: number;
  /** Requests that may wait for an engine. */
  readonly queue: number;
}

/** One engine. From `tenant` being set on, nobody else's request reaches it. */
interface Slot {
  readonly engine: Engine;
  readonly startedAt: number;
  tenant: string | undefined;
  /** Requests whose answers have not ended. */
  inside: number;
  /** Counts uses, to find the one that is idle for longest and to tell a timer that it is late. */
  use: number;
  ending: boolean;
}

interface Waiting {
  readonly tenant: string;
  readonly resolve: (slot: Slot) => void;
  readonly reject: (error: EngineError) => void;
}

/** Prefix of tenants that nobody can name again. */
const ONCE = 'once ';

/**
 * Starts the first engine and keeps the pool. A request waits while its tenant has no engine and none may start; the adapter's
 * interim responses keep its client. An engine that ends by itself fails its tenant's requests alone; the tenant's next one gets a new engine.
 * @throws whatever the first start throws
 */
export async function startEnginePool(policy: PoolPolicy, supervision: Supervision): Promise<EngineService> {
  const { start, clock, log, health } = supervision;
  const first = await start(undefined);
  const gate = new RequestGate();
  const budget = new RestartBudget(supervision.restarts, supervision.jitter);
  const slots = new Set<Slot>();
  let queue: Waiting[] = [];
  let starting = 0;
  let resting = false;
  let closed = false;
  let uses = 0;
  let onces = 0;
  let tellEnd: (end: ServiceEnd) => void = () => {};
  const ended = new Promise<ServiceEnd>((resolve) => {
    tellEnd = resolve;
  });
  const starts = new Set<Promise<void>>();

  admit(first);
  fill();
  return {
    driver: first.driver,
    probe: first.probe,
    probeDigest: first.probeDigest,
    ended,
    get pids() {
      return [...slots].map(({ engine }) => engine.pid);
    },
    get isAccepting() {
      return gate.isOpen;
    },
    request: (request: EngineRequest) =>
      gate.pass(async () => {
        const slot = await enter(nameOf(request.tenant), request.signal);
        try {
          return whenOver(await slot.engine.request(request), request.signal, () => leave(slot));
        } catch (error) {
          leave(slot);
          throw error;
        }
      }, request.signal),
    drain: (milliseconds) => drainGate(gate, milliseconds, clock, log),
    async stop() {
      close();
      await Promise.all([...slots].map((slot) => endSlot(slot)));
      await Promise.all(starts);
    },
  };

  // The session itself is kept nowhere.
  function nameOf(tenant: Tenant | undefined): string {
    const value = policy.by === 'session' ? tenant?.session : tenant?.account;
    return value === undefined ? `${ONCE}${onces++}` : createHash('sha256').update(value).digest('base64url');
  }

  /** The tenant's engine, counted in; bound now, or as soon as there is one. */
  function enter(tenant: string, signal: AbortSignal | undefined): Promise<Slot> {
    const own = find((slot) => slot.tenant === tenant);
    if (own !== undefined) return Promise.resolve(take(own));
    const spare = find((slot) => slot.tenant === undefined);
    if (spare !== undefined) {
      bind(spare, tenant);
      fill();
      return Promise.resolve(take(spare));
    }
    if (queue.length >= policy.queue)
      throw new EngineError('engine_unavailable', `The queue for an engine is full: ${policy.queue}.`);
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        tenant,
        resolve: (slot) => {
          signal?.removeEventListener('abort', abort);
          resolve(take(slot));
        },
        reject: (error) => {
          signal?.removeEventListener('abort', abort);
          reject(error);
        },
      };
      const abort = (): void => {
        queue = queue.filter((other) => other !== waiting);
        reject(new EngineError('engine_aborted', 'The caller left.'));
      };
      signal?.addEventListener('abort', abort, { once: true });
      queue.push(waiting);
      fill();
    });
  }

  function find(is: (slot: Slot) => boolean): Slot | undefined {
    return [...slots].find((slot) => !slot.ending && is(slot));
  }

  function take(slot: Slot): Slot {
    slot.inside++;
    slot.use = ++uses;
    return slot;
  }

  function leave(slot: Slot): void {
    if (--slot.inside > 0 || slot.ending) return;
    const use = slot.use;
    // nobody can come back, or somebody waits whose engine has no room beside this one
    if (slot.tenant?.startsWith(ONCE) || policy.idleMilliseconds === 0) return void endSlot(slot);
    fill();
    void clock.sleep(policy.idleMilliseconds).then(() => {
      if (slot.use === use && slot.inside === 0 && !slot.ending) void endSlot(slot);
    });
  }

  function bind(slot: Slot, tenant: string): void {
    slot.tenant = tenant;
    tell();
  }

  /** A new engine: for whoever waits longest, and for all that wait with the same name; or a spare. */
  function admit(engine: Engine): void {
    const slot: Slot = {
      engine,
      startedAt: clock.now(),
      tenant: undefined,
      inside: 0,
      use: 0,
      ending: false,
    };
    slots.add(slot);
    void watchHealth(engine, health, clock).then((fate) => over(slot, fate));
    const tenant = queue[0]?.tenant;
    if (tenant === undefined) return;
    bind(slot, tenant);
    const served = queue.filter((waiting) => waiting.tenant === tenant);
    queue = queue.filter((waiting) => waiting.tenant !== tenant);
    for (const waiting of served) waiting.resolve(slot);
  }

  async function over(slot: Slot, fate: 'exited' | 'unhealthy'): Promise<void> {
    if (fate === 'unhealthy') log({ event: 'engine_unhealthy', checks: health.misses });
    const expected = slot.ending;
    await endSlot(slot);
    if (expected || closed) return;
    const { signal } = await slot.engine.exited;
    log({ event: 'engine_exited', signal: signal !== null });
    // what a tenant does to its own engine says nothing about the next one; a spare that ends by itself does
    if (slot.tenant === undefined) await rest(clock.now() - slot.startedAt);
  }

  async function endSlot(slot: Slot): Promise<void> {
    const known = slot.ending;
    slot.ending = true;
    await slot.engine.stop();
    if (known) return;
    await slot.engine.exited;
    slots.delete(slot);
    if (slot.tenant !== undefined) tell();
    fill();
  }

  /** Starts what is wanted and has room; where only room is missing, ends the engine that is idle for longest. */
  function fill(): void {
    if (closed || resting) return;
    const tenants = new Set(queue.map(({ tenant }) => tenant)).size;
    const spares = [...slots].filter(({ tenant, ending }) => tenant === undefined && !ending).length;
    const wanted = tenants + policy.spares - spares - starting;
    const room = policy.engines - slots.size - starting;
    for (let count = Math.min(wanted, room); count > 0; count--) begin();
    const ending = [...slots].filter((slot) => slot.ending).length;
    for (let missing = tenants - starting - ending; missing > 0; missing--) {
      const idle = [...slots].filter(
        ({ inside, tenant, ending }) => inside === 0 && tenant !== undefined && !ending,
      );
      const [oldest] = idle.sort((a, b) => a.use - b.use);
      if (oldest === undefined) return;
      void endSlot(oldest);
    }
  }

  function begin(): void {
    starting++;
    const one: Promise<void> = start(first.probe)
      .then(
        async (engine) => {
          starting--;
          if (closed) return void (await engine.stop());
          budget.succeeded();
          admit(engine);
          fill();
        },
        async (error: unknown) => {
          starting--;
          if (closed) return;
          log({ event: 'engine_start_failed', code: codeOf(error) });
          const reason = finalFailure(error);
          if (reason !== undefined) giveUp(reason);
          else await rest(0);
        },
      )
      .finally(() => starts.delete(one));
    starts.add(one);
  }

  async function rest(ranMilliseconds: number): Promise<void> {
    if (resting) return;
    const milliseconds = budget.next(ranMilliseconds);
    if (milliseconds === undefined) return giveUp('engine_crash_loop');
    log({ event: 'engine_restarting', attempt: budget.attempt, milliseconds: Math.round(milliseconds) });
    resting = true;
    await clock.sleep(milliseconds);
    resting = false;
    fill();
  }

  function giveUp(reason: ServiceEnd): void {
    if (closed) return;
    close();
    log({ event: 'engine_ended', reason });
    tellEnd(reason);
  }

  function close(): void {
    closed = true;
    gate.close();
    const error = new EngineError('engine_unavailable', 'The engines end.');
    for (const waiting of queue.splice(0)) waiting.reject(error);
  }

  function tell(): void {
    const alive = [...slots].filter(({ ending }) => !ending);
    const bound = alive.filter(({ tenant }) => tenant !== undefined).length;
    log({ event: 'engine_pool', bound, spare: alive.length - bound, queued: queue.length });
  }
}
