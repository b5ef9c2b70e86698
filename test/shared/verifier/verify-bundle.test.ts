import { expect, it } from 'vitest';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { now, simulatedNode } from '../../backend/tee/simulated-node.ts';

it('yields a key for a sound simulated node', async () => {
  const { bundle, policy } = await simulatedNode();
  const verification = await verifyBundle(bundle, policy, { now });
  if (!verification.ok) throw new Error(JSON.stringify(verification.failure, null, 1));
  expect(verification.key.assurance).toBe('simulated');
  expect(verification.steps.every((step) => step.result !== 'fail')).toBe(true);
});
