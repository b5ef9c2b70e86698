// Who gets a slot, and when.

import { describe, expect, it } from 'vitest';
import { Slots } from '../../../backend/engine/llama/slots.ts';

const never = new AbortController().signal;

describe('slots', () => {
  it('go to whoever waits longest', async () => {
    const slots = new Slots(['a'], 3);
    const order: number[] = [];
    expect(await slots.take(never)).toBe('a');
    const waiting = [1, 2, 3].map((n) => slots.take(never).then(() => order.push(n)));
    expect(slots.counts()).toEqual({ total: 1, busy: 1, queued: 3, queueLimit: 3 });
    for (const wait of waiting) {
      slots.release('a');
      await wait;
    }
    expect(order).toEqual([1, 2, 3]);
    slots.release('a');
    expect(slots.counts()).toEqual({ total: 1, busy: 0, queued: 0, queueLimit: 3 });
  });

  it('are refused at once when the queue is full', async () => {
    const slots = new Slots(['a'], 0);
    await slots.take(never);
    await expect(slots.take(never)).rejects.toMatchObject({ code: 'server_is_overloaded', status: 503 });
  });

  it('are not given to those who left, before or while waiting', async () => {
    const slots = new Slots(['a'], 2);
    await expect(slots.take(AbortSignal.abort(new Error('left')))).rejects.toThrow('left');
    await slots.take(never);
    const leaver = new AbortController();
    const left = expect(slots.take(leaver.signal)).rejects.toThrow('left');
    const next = slots.take(never);
    leaver.abort(new Error('left'));
    await left;
    expect(slots.counts().queued).toBe(1);
    slots.release('a');
    expect(await next).toBe('a');
  });
});
