import { expect, it } from 'vitest';
import * as module from '../../../shared/verifier/verify-bundle.ts';
import { deployment, keyList, now, simulatedNode } from '../../backend/tee/simulated-node.ts';

async function attested(): Promise<module.AttestedKey> {
  const { bundle, policy } = await simulatedNode();
  const verification = await module.verifyBundle(bundle, policy, { now });
  if (!verification.ok) throw new Error('not verified');
  return verification.key;
}

it('says what was verified', async () => {
  const key = await attested();
  expect(key.assurance).toBe('simulated');
  expect(key.ohttpKeys).toEqual(keyList);
  expect(key.deployment).toEqual(deployment);
  expect(key.node).toBe('BwcHBwcHBwcHBwcHBwcHBw');
  expect(key.coreDigest).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(key.notAfter).toEqual(new Date(now.getTime() + 3_600_000));
  expect(key.policy.require_post_quantum).toBe(true);
});

it('cannot be changed by whoever holds it', async () => {
  const key = await attested();
  key.ohttpKeys.fill(0);
  key.core.ohttpKeys.fill(0);
  key.notAfter.setFullYear(2099);
  expect(key.ohttpKeys).toEqual(keyList);
  expect(key.notAfter.getFullYear()).toBe(2026);
  expect(() => Object.assign(key, { assurance: 'hardware' })).toThrow(TypeError);
});

it('is recognised, and look-alikes are not', async () => {
  const key = await attested();
  expect(module.isAttestedKey(key)).toBe(true);
  for (const other of [
    null,
    {},
    { ...key },
    Object.create(Object.getPrototypeOf(key) as object),
    structuredClone({}),
  ])
    expect(module.isAttestedKey(other)).toBe(false);
});

it('has one maker among the exports: what a service appraises is nothing to seal to', async () => {
  expect(Object.keys(module).sort()).toEqual(['appraiseNode', 'isAttestedKey', 'verifyBundle']);
  const { bundle, policy } = await simulatedNode();
  const appraisal = await module.appraiseNode(bundle, policy, { now });
  if (!appraisal.ok) throw new Error('not appraised');
  for (const part of [appraisal, appraisal.node, ...Object.values(appraisal.node)])
    expect(module.isAttestedKey(part)).toBe(false);
});

it('has a constructor that refuses everyone else', async () => {
  const key = await attested();
  const Constructor = key.constructor as new (...given: unknown[]) => module.AttestedKey;
  expect(() => new Constructor(Symbol('verifyBundle'), { node: 'forged' })).toThrow(TypeError);
});
