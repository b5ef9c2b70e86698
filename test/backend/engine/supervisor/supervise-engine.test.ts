// One supervised engine: restarts and their spacing, what ends them, health, draining.

import { describe, expect, it } from 'vitest';
import { EngineError } from '../../../../backend/engine/engine-error.ts';
import { SandboxError } from '../../../../backend/engine/sandbox/sandbox-error.ts';
import { DEFAULT_RESTARTS, RestartBudget } from '../../../../backend/engine/supervisor/restart-budget.ts';
import { superviseEngine } from '../../../../backend/engine/supervisor/supervise-engine.ts';
import { ask, type FakeEngine, fakeSupervision, PROBE, settle } from './fake-engine.ts';

const last = (engines: readonly FakeEngine[]) => engines.at(-1) as FakeEngine;

describe('the spacing of restarts', () => {
  it('doubles up to the longest, half of it random, and ends', () => {
    const policy = { ...DEFAULT_RESTARTS, longestMilliseconds: 1500, most: 4 };
    for (const [jitter, expected] of [
      [0, [125, 250, 500, 750]],
      [0.999_999, [250, 500, 1000, 1500]],
    ] as const) {
      const budget = new RestartBudget(policy, () => jitter);
      expect(expected.map(() => Math.round(budget.next(0) ?? -1))).toEqual(expected);
      expect(budget.next(policy.stableMilliseconds - 1)).toBeUndefined();
      expect(Math.round(budget.next(policy.stableMilliseconds) ?? -1)).toBe(expected[0]);
    }
  });
});

describe('an engine that ends', () => {
  it('fails its requests, is started again behind the probe of the first, and answers', async () => {
    const { supervision, engines, events, clock, expected } = fakeSupervision();
    const service = await superviseEngine(supervision);
    const answer = await service.request(ask());
    last(engines).crash();
    await expect(new Response(answer.body).text()).rejects.toMatchObject({ code: 'engine_crashed' });
    await settle();
    expect(service.isAccepting).toBe(false);
    expect(service.pids).toEqual([]);
    await expect(service.request(ask())).rejects.toMatchObject({ code: 'engine_unavailable' });
    await clock.advance(250);
    expect(service.isAccepting).toBe(true);
    expect(expected).toEqual([undefined, PROBE]);
    const second = await service.request(ask());
    last(engines).answer();
    expect(await new Response(second.body).text()).toBe('');
    expect(events).toEqual([
      { event: 'engine_exited', signal: true },
      { event: 'engine_restarting', attempt: 1, milliseconds: 250 },
      { event: 'engine_restarted', milliseconds: 0, pid: last(engines).pid },
    ]);
    await service.stop();
    expect(last(engines).stops).toBeGreaterThan(0);
  });

  it('again and again ends the service, after 0.25, 0.5, 1, 2, 4 and 8 s', async () => {
    const { supervision, engines, events, clock } = fakeSupervision();
    const service = await superviseEngine(supervision);
    for (let times = 0; times < 7; times++) {
      last(engines).crash(null);
      await clock.advance(10_000);
    }
    expect(await service.ended).toBe('engine_crash_loop');
    expect(engines.length).toBe(7);
    expect(events.flatMap((one) => (one.event === 'engine_restarting' ? [one.milliseconds] : []))).toEqual([
      250, 500, 1000, 2000, 4000, 8000,
    ]);
    expect(events.at(-1)).toEqual({ event: 'engine_ended', reason: 'engine_crash_loop' });
    expect(service.isAccepting).toBe(false);
  });

  it('after a minute has not begun a loop', async () => {
    const { supervision, engines, events, clock } = fakeSupervision();
    const service = await superviseEngine(supervision);
    for (let times = 0; times < 10; times++) {
      await clock.advance(61_000, 1000);
      last(engines).crash();
      await clock.advance(300);
    }
    expect(service.isAccepting).toBe(true);
    const attempts = events.flatMap((one) => (one.event === 'engine_restarting' ? [one.attempt] : []));
    expect(new Set(attempts)).toEqual(new Set([1]));
    await service.stop();
  });

  it.each([
    [new SandboxError('sandbox_probe_failed', ''), 'engine_probe_failed'],
    [new SandboxError('sandbox_probe_changed', ''), 'engine_probe_changed'],
    [new EngineError('engine_model_mismatch', ''), 'engine_model_changed'],
    [new EngineError('engine_model_missing', ''), 'engine_model_changed'],
  ])('is not tried again where $code forbids it', async (failure, reason) => {
    const { supervision, engines, clock, expected } = fakeSupervision([undefined, failure]);
    const service = await superviseEngine(supervision);
    last(engines).crash();
    await clock.advance(60_000, 1000);
    expect(await service.ended).toBe(reason);
    expect(expected.length).toBe(2);
  });

  it('is tried again where the start failed for another reason', async () => {
    const flaky = new SandboxError('sandbox_start_failed', '');
    const { supervision, engines, events, clock } = fakeSupervision([undefined, flaky, flaky, undefined]);
    const service = await superviseEngine(supervision);
    last(engines).crash();
    await clock.advance(3000);
    expect(service.isAccepting).toBe(true);
    expect(events).toContainEqual({ event: 'engine_start_failed', code: 'sandbox_start_failed' });
    await service.stop();
  });

  it('while the service stops is not started again', async () => {
    const { supervision, engines } = fakeSupervision();
    const service = await superviseEngine(supervision);
    last(engines).crash();
    await settle();
    await service.stop();
    expect(engines.length).toBe(1);
  });
});

describe('a first start that fails', () => {
  it('throws what it threw', async () => {
    const { supervision } = fakeSupervision([new SandboxError('sandbox_unavailable', 'no')]);
    await expect(superviseEngine(supervision)).rejects.toMatchObject({ code: 'sandbox_unavailable' });
  });
});

describe('an engine that hangs', () => {
  it('is ended after three missed checks in a row, and started again', async () => {
    const { supervision, engines, events, clock } = fakeSupervision();
    const service = await superviseEngine(supervision);
    const first = last(engines);
    first.isHealthy = false;
    await clock.advance(2000);
    first.isHealthy = true;
    await clock.advance(1000);
    first.isHealthy = false;
    await clock.advance(2500);
    expect(first.stops).toBe(0);
    await clock.advance(1000);
    expect(first.stops).toBe(1);
    expect(events[0]).toEqual({ event: 'engine_unhealthy', checks: 3 });
    await clock.advance(1000);
    expect(service.isAccepting).toBe(true);
    expect(engines.length).toBe(2);
    await service.stop();
  });
});

describe('draining', () => {
  it('refuses what is new and waits for what runs', async () => {
    const { supervision, engines, events } = fakeSupervision();
    const service = await superviseEngine(supervision);
    const running = await service.request(ask());
    const drained = service.drain(10_000);
    expect(service.isAccepting).toBe(false);
    await expect(service.request(ask())).rejects.toMatchObject({ code: 'engine_unavailable' });
    last(engines).answer();
    expect(await new Response(running.body).text()).toBe('');
    expect(await drained).toBe(0);
    expect(events).toEqual([
      { event: 'engine_draining', requests: 1 },
      { event: 'engine_drained', unfinished: 0 },
    ]);
    await service.stop();
  });

  it('ends at its deadline, and says how many it left', async () => {
    const { supervision, clock } = fakeSupervision();
    const service = await superviseEngine(supervision);
    const running = await service.request(ask());
    const drained = service.drain(1000);
    await clock.advance(1000);
    expect(await drained).toBe(1);
    const cut = expect(new Response(running.body).text()).rejects.toMatchObject({ code: 'engine_crashed' });
    await service.stop();
    await cut;
  });

  it('counts a caller that left and an answer that was cancelled as gone, read or not', async () => {
    const { supervision, engines, clock } = fakeSupervision();
    const service = await superviseEngine(supervision);
    await (await service.request(ask())).body.cancel();
    const gone = new AbortController();
    const left = await service.request(ask(undefined, gone.signal));
    // whole, and not read: what is left of it never looks like all of it
    last(engines).answer('an answer');
    gone.abort();
    await expect(new Response(left.body).text()).rejects.toMatchObject({ code: 'engine_aborted' });
    const late = new AbortController();
    late.abort();
    await service.request(ask(undefined, late.signal));
    await settle();
    const drained = service.drain(5000);
    await clock.advance(0);
    expect(await drained).toBe(0);
    await service.stop();
  });
});
