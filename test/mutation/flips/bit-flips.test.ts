// Some bits of everything that is signed, turned on each run. Every single one: `npm run test:mutations`.

import { describe, expect, it } from 'vitest';
import { StepLog } from '../../../shared/verifier/step.ts';
import { type FlipTarget, noteCodes, sampledBits, searchFlips } from './flip-search.ts';
import { generatedTargets } from './generated-targets.ts';

const BITS = 24;
const SEED = Number(process.env.CLOISTER_FLIP_SEED ?? 1);
const BOUND_MILLISECONDS = 5000;

const targets = await generatedTargets();

describe(`single bits turned, seed ${SEED}`, () => {
  it.each(targets)('$name', async (target) => {
    const { tried, accepted, untyped, slowest } = await searchFlips(
      target,
      sampledBits(target.octets, BITS, SEED),
    );
    expect({ accepted, untyped }).toEqual({ accepted: [], untyped: [] });
    expect(tried).toBe(Math.min(BITS, target.octets.length * 8));
    expect(slowest).toBeLessThan(BOUND_MILLISECONDS);
  });
});

describe('the search itself', () => {
  const octets = Uint8Array.of(1, 2, 3, 4);
  const target = (judge: FlipTarget['judge']): FlipTarget => ({ name: 'planted', octets, judge });
  const every = () => sampledBits(octets, 32, SEED);

  it('finds a bit that nothing checks', async () => {
    const careless = target(async (flipped, found) => {
      if (flipped[2] === 3 && flipped[0] !== 1) found.codes = ['evidence_binding'];
    });
    const { accepted } = await searchFlips(careless, every());
    expect(accepted).toEqual(Array.from({ length: 24 }, (_, bit) => bit + 8));
    const told = { ...careless, unread: [{ from: 1, to: 4, why: 'planted' }] };
    expect((await searchFlips(told, every())).accepted).toEqual([]);
  });
  it('finds an error without a code', async () => {
    const throwing = target(async (flipped, found) => {
      if (flipped[3] !== 4) throw new TypeError('planted');
      if (flipped !== octets) found.codes = ['evidence_binding'];
    });
    expect((await searchFlips(throwing, every())).untyped).toHaveLength(8);
  });
  it('does not take what was wrong before for a refusal', async () => {
    const blamed = target(async (_, found) => {
      found.codes = ['policy_tcb_status'];
    });
    expect((await searchFlips(blamed, every())).accepted).toHaveLength(32);
  });
  it('refuses to begin with something that is bad as it stands', async () => {
    const bad = target((_, found) => noteCodes(new StepLog(), found, () => Promise.reject(new RangeError())));
    await expect(searchFlips(bad, every())).rejects.toThrow(RangeError);
    const refused = target(async (_, found) => {
      found.codes = ['evidence_binding'];
    });
    await expect(searchFlips(refused, every())).rejects.toThrow('refused as it stands');
  });
  it('samples the same bits for the same seed, and one of each part', () => {
    expect([...sampledBits(octets, 8, 7)]).toEqual([...sampledBits(octets, 8, 7)]);
    expect([...sampledBits(octets, 8, 7)]).not.toEqual([...sampledBits(octets, 8, 8)]);
    for (const [part, bit] of [...sampledBits(octets, 8, 7)].entries()) expect(bit >> 2).toBe(part);
  });
});
