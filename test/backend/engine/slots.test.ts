// Who gets a slot, and when.

import { describe, expect, it } from 'vitest';
import { type Lease, Slots } from '../../../backend/engine/llama/slots.ts';

const never = new AbortController().signal;

/** Gives back what was taken, one after another, until nobody waits; the order in which requests had their turn. */
async function serveAll(first: Lease<string>, waiting: Record<string, Promise<Lease<string>>>) {
  const order: string[] = [];
  let lease = first;
  for (let left = Object.keys(waiting).length; left > 0; left--) {
    lease.release();
    const [name, next] = await Promise.race(
      Object.entries(waiting).map(async ([key, promise]) => [key, await promise] as const),
    );
    delete waiting[name];
    order.push(name);
    lease = next;
  }
  lease.release();
  return order;
}

describe('slots', () => {
  it('go to whoever waits longest within a share', async () => {
    const slots = new Slots(['a'], 3);
    const first = await slots.take(never);
    expect(first.slot).toBe('a');
    const waiting = Object.fromEntries([1, 2, 3].map((n) => [`r${n}`, slots.take(never)]));
    expect(slots.counts()).toEqual({ total: 1, busy: 1, queued: 3, queueLimit: 3 });
    expect(await serveAll(first, waiting)).toEqual(['r1', 'r2', 'r3']);
    expect(slots.counts()).toEqual({ total: 1, busy: 0, queued: 0, queueLimit: 3 });
  });

  it('go round among shares: fifty requests of one do not keep another waiting', async () => {
    const slots = new Slots(['a'], 100);
    const first = await slots.take(never, { share: 'greedy' });
    const waiting = Object.fromEntries(
      Array.from({ length: 49 }, (_, n) => [`greedy${n}`, slots.take(never, { share: 'greedy' })]),
    );
    for (const n of [0, 1]) waiting[`modest${n}`] = slots.take(never, { share: 'modest' });
    waiting.other = slots.take(never, { share: 'other' });
    const order = await serveAll(first, waiting);
    // it holds the slot that gets free, so all three shares are equal by then: its oldest request, then the others' turns
    expect(order.slice(0, 5)).toEqual(['greedy0', 'modest0', 'other', 'greedy1', 'modest1']);
    expect(order.slice(5, 8)).toEqual(['greedy2', 'greedy3', 'greedy4']);
  });

  it('go to the share that holds the fewest', async () => {
    const slots = new Slots(['a', 'b'], 9);
    const held = [await slots.take(never, { share: 'x' }), await slots.take(never, { share: 'x' })];
    const late = slots.take(never, { share: 'x' });
    const modest = slots.take(never, { share: 'y' });
    held[0]?.release();
    expect((await modest).slot).toBe('a');
    expect(slots.counts().queued).toBe(1);
    (await modest).release();
    expect((await late).slot).toBe('a');
  });

  it('are refused at once when the queue is full', async () => {
    const slots = new Slots(['a'], 0);
    await slots.take(never);
    await expect(slots.take(never)).rejects.toMatchObject({ code: 'engine_overloaded', status: 503 });
  });

  it('leave room in a full queue for another share, at the cost of the newest of the longest', async () => {
    const slots = new Slots(['a'], 3);
    const first = await slots.take(never, { share: 'greedy' });
    const queued = [1, 2, 3].map(() => slots.take(never, { share: 'greedy' }));
    const pushedOut = expect(queued[2]).rejects.toMatchObject({ code: 'engine_overloaded' });
    const modest = slots.take(never, { share: 'modest' });
    await pushedOut;
    expect(slots.counts().queued).toBe(3);
    await expect(slots.take(never, { share: 'greedy' })).rejects.toMatchObject({ code: 'engine_overloaded' });
    const waiting = { greedy1: queued[0], greedy2: queued[1], modest } as Record<
      string,
      Promise<Lease<string>>
    >;
    expect(await serveAll(first, waiting)).toEqual(['greedy1', 'modest', 'greedy2']);
  });

  it('prefer the one that a caller prefers, and are given back once', async () => {
    const slots = new Slots(['a', 'b', 'c'], 1);
    const lease = await slots.take(never, { prefers: (slot) => slot === 'b' });
    expect(lease.slot).toBe('b');
    lease.release();
    lease.release();
    expect(slots.counts()).toMatchObject({ busy: 0, total: 3 });
    expect((await slots.take(never)).slot).toBe('a');
  });

  it('are not given to those who left, before or while waiting', async () => {
    const slots = new Slots(['a'], 2);
    await expect(slots.take(AbortSignal.abort(new Error('left')))).rejects.toThrow('left');
    const first = await slots.take(never);
    const leaver = new AbortController();
    const left = expect(slots.take(leaver.signal)).rejects.toThrow('left');
    const next = slots.take(never);
    leaver.abort(new Error('left'));
    await left;
    expect(slots.counts().queued).toBe(1);
    first.release();
    expect((await next).slot).toBe('a');
  });
});
