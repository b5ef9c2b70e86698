// Engines per tenant: who gets which, who waits, what ends, and what nobody gets twice.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EngineError } from '../../../../backend/engine/engine-error.ts';
import { type PoolPolicy, startEnginePool } from '../../../../backend/engine/isolation/engine-pool.ts';
import { SandboxError } from '../../../../backend/engine/sandbox/sandbox-error.ts';
import { ask, type FakeEngine, fakeSupervision, settle } from '../supervisor/fake-engine.ts';

const PER_TENANT: PoolPolicy = { by: 'session', spares: 0, engines: 2, idleMilliseconds: 5000, queue: 4 };
const SINGLE_USE: PoolPolicy = { by: 'session', spares: 1, engines: 2, idleMilliseconds: 0, queue: 4 };
const [A, B, C] = ['a', 'b', 'c'].map((letter) => letter.repeat(43)) as [string, string, string];

async function pool(policy: PoolPolicy, failures: (Error | undefined)[] = []) {
  const fakes = fakeSupervision(failures);
  return { ...fakes, service: await startEnginePool(policy, fakes.supervision) };
}
const sessionsOf = (engine: FakeEngine) => new Set(engine.asked.map(({ tenant }) => tenant?.session));

describe('an engine per tenant', () => {
  it('is the same for one session and another for the next', async () => {
    const { service, engines } = await pool(PER_TENANT);
    await service.request(ask(A));
    await service.request(ask(A));
    await service.request(ask(B));
    expect(engines.map((engine) => [...sessionsOf(engine)])).toEqual([[A], [B]]);
    expect(service.pids).toEqual(engines.map(({ pid }) => pid));
    await service.stop();
  });

  it('goes by account where the deployment says so', async () => {
    const { service, engines } = await pool({ ...PER_TENANT, by: 'account' });
    await service.request(ask(A));
    await service.request(ask(B));
    expect(engines.length).toBe(1);
    await service.stop();
  });

  it('waits while all engines answer others, and gets one when the one idle for longest has ended', async () => {
    const { service, engines, clock } = await pool(PER_TENANT);
    await service.request(ask(A));
    await service.request(ask(B));
    let got = false;
    const waiting = service.request(ask(C)).then(() => {
      got = true;
    });
    await clock.advance(1000);
    expect(got).toBe(false);
    engines[1]?.answer();
    await waiting;
    expect(engines[1]?.stops).toBeGreaterThan(0);
    expect(engines[0]?.stops).toBe(0);
    expect(engines.length).toBe(3);
    expect([...sessionsOf(engines[2] as FakeEngine)]).toEqual([C]);
    await service.stop();
  });

  it('ends when it was idle for long enough, not before', async () => {
    const { service, engines, clock, events } = await pool(PER_TENANT);
    await service.request(ask(A));
    engines[0]?.answer();
    await clock.advance(4000);
    await service.request(ask(A));
    engines[0]?.answer();
    await clock.advance(4000);
    expect(engines[0]?.stops).toBe(0);
    await clock.advance(2000);
    expect(engines[0]?.stops).toBeGreaterThan(0);
    expect(service.pids).toEqual([]);
    expect(events.at(-1)).toEqual({ event: 'engine_pool', bound: 0, spare: 0, queued: 0 });
    await service.request(ask(A));
    expect(engines.length).toBe(2);
    await service.stop();
  });

  it('fails alone, and its tenant gets another', async () => {
    const { service, engines } = await pool(PER_TENANT);
    const a = await service.request(ask(A));
    const b = await service.request(ask(B));
    engines[0]?.crash();
    await expect(new Response(a.body).text()).rejects.toMatchObject({ code: 'engine_crashed' });
    engines[1]?.answer();
    expect(await new Response(b.body).text()).toBe('');
    await settle();
    await service.request(ask(A));
    expect(engines.length).toBe(3);
    expect(service.isAccepting).toBe(true);
    await service.stop();
  });

  it('serves a request without a session alone, and ends with it', async () => {
    const { service, engines } = await pool(PER_TENANT);
    await service.request(ask());
    engines[0]?.answer();
    await settle();
    expect(engines[0]?.stops).toBeGreaterThan(0);
    await service.request(ask());
    expect(engines.length).toBe(2);
    await service.stop();
  });
});

describe('an engine for single use', () => {
  it('is there before it is asked for, ends with its answer, and is followed by the next', async () => {
    const { service, engines } = await pool(SINGLE_USE);
    await settle();
    expect(engines.length).toBe(1);
    await service.request(ask(A));
    await settle();
    expect(engines.length).toBe(2);
    engines[0]?.answer();
    await settle();
    expect(engines[0]?.stops).toBeGreaterThan(0);
    await service.request(ask(A));
    expect(sessionsOf(engines[1] as FakeEngine)).toEqual(new Set([A]));
    await service.stop();
  });

  it('is waited for, in turn, when the pool is empty', async () => {
    const { service, engines } = await pool(SINGLE_USE);
    const order: string[] = [];
    const request = (session: string) => service.request(ask(session)).then(() => order.push(session));
    await request(A);
    await settle();
    await request(B);
    const [c, again] = [request(C), request(`${C}d`)];
    await settle();
    expect(order).toEqual([A, B]);
    engines[0]?.answer();
    await c;
    expect(order).toEqual([A, B, C]);
    engines[1]?.answer();
    await again;
    await service.stop();
  });

  it('is refused once too many wait, and forgets who left', async () => {
    const { service } = await pool({ ...SINGLE_USE, engines: 1, queue: 1 });
    await service.request(ask(A));
    const gone = new AbortController();
    const left = expect(service.request(ask(B, gone.signal))).rejects.toMatchObject({
      code: 'engine_aborted',
    });
    await settle();
    await expect(service.request(ask(C))).rejects.toMatchObject({ code: 'engine_unavailable' });
    gone.abort();
    await left;
    const waits = service.request(ask(C));
    const ended = expect(waits).rejects.toMatchObject({ code: 'engine_unavailable' });
    await settle();
    await service.stop();
    await ended;
  });
});

describe('a pool whose engines do not start', () => {
  it('tries again, spaced, and ends as a crash loop', async () => {
    const flaky = () => new EngineError('engine_start_failed', '');
    const { service, clock, events } = await pool(SINGLE_USE, [
      undefined,
      ...Array.from({ length: 9 }, flaky),
    ]);
    const asked = service.request(ask(A));
    await asked;
    await clock.advance(60_000, 500);
    expect(await service.ended).toBe('engine_crash_loop');
    expect(events.filter(({ event }) => event === 'engine_start_failed').length).toBe(7);
    await service.stop();
  });

  it('ends at once where a probe found a way out', async () => {
    const open = new SandboxError('sandbox_probe_failed', '');
    const { service, clock } = await pool(SINGLE_USE, [undefined, open]);
    await service.request(ask(A));
    await clock.advance(100);
    expect(await service.ended).toBe('engine_probe_failed');
    expect(service.isAccepting).toBe(false);
    await service.stop();
  });
});

// Whatever happens in whatever order, no engine ever sees two sessions, and there are never too many.
it('never gives one engine two tenants', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('ask' as const), session: fc.constantFrom(A, B, C, undefined) }),
    fc.record({ do: fc.constant('answer' as const), engine: fc.nat(5) }),
    fc.record({ do: fc.constant('crash' as const), engine: fc.nat(5) }),
    fc.record({ do: fc.constant('wait' as const), milliseconds: fc.nat(8000) }),
  );
  const policies = fc.constantFrom(PER_TENANT, SINGLE_USE, { ...SINGLE_USE, idleMilliseconds: 1000 });
  await fc.assert(
    fc.asyncProperty(policies, fc.array(step, { maxLength: 25 }), async (policy, steps) => {
      const { service, engines, clock } = await pool(policy);
      for (const one of steps) {
        if (one.do === 'ask') service.request(ask(one.session)).catch(() => {});
        else if (one.do === 'answer') engines.at(-1 - one.engine)?.answer();
        else if (one.do === 'crash') engines.at(-1 - one.engine)?.crash();
        else await clock.advance(one.milliseconds, 1000);
        await settle();
        expect(service.pids.length).toBeLessThanOrEqual(policy.engines);
      }
      await service.stop();
      for (const engine of engines) {
        const sessions = engine.asked.map(({ tenant }) => tenant?.session);
        if (sessions.includes(undefined)) expect(sessions.length).toBe(1);
        else expect(new Set(sessions).size).toBeLessThanOrEqual(1);
      }
    }),
    { numRuns: 60 },
  );
});
