// What our engine learns of who asks: enough for turns, and nothing else.

import { expect, it } from 'vitest';
import { shareFairly } from '../../../backend/engine/fair-share.ts';

const request = { method: 'POST', path: '/v1/completions', headers: { a: 'b' }, body: new Uint8Array() };
const shared = (seed: number) => {
  const share = shareFairly((octets) => new Uint8Array(octets).fill(seed));
  return (tenant?: { account?: string; session?: string }) =>
    share({ ...request, ...(tenant && { tenant }) }).headers['cloister-fair-share'];
};

it('is one share for one account, whatever its sessions, and another for another', () => {
  const share = shared(1);
  const alice = share({ account: 'alice', session: 's1' });
  expect(alice).toMatch(/^[\w-]{43}$/);
  expect(share({ account: 'alice', session: 's2' })).toBe(alice);
  expect(share({ account: 'bob', session: 's1' })).not.toBe(alice);
  expect(share({ session: 's1' })).not.toBe(share({ session: 's2' }));
  expect(share({ session: 'alice' })).not.toBe(alice);
});

it('says nothing that is the same for another engine, and nothing where nobody is known', () => {
  expect(shared(2)({ account: 'alice' })).not.toBe(shared(1)({ account: 'alice' }));
  expect([shared(1)(), shared(1)({})]).toEqual([undefined, undefined]);
});
