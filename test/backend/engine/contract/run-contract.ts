// Runs every case of the contract against one engine, each as a test of its own.

import { describe, expect, it } from 'vitest';
import { CONTRACT, type ContractEngine } from './contract.ts';
import { ENGINE_SUPPORT, FEATURES, type Feature } from './features.ts';

/** `engine`: the one that runs by the time of the tests. Features that it has not are tests that the contract does not hold for them. */
export function runContract(kind: keyof typeof ENGINE_SUPPORT, engine: () => ContractEngine): void {
  describe(`the contract, kept by ${kind}`, () => {
    for (const feature of Object.keys(FEATURES) as Feature[]) {
      const [support, note] = ENGINE_SUPPORT[kind][feature] ?? ['yes', ''];
      if (support === 'yes') it(feature, () => CONTRACT[feature](engine()));
      else it(`${feature}: ${support}, ${note}`, () => expect(CONTRACT[feature](engine())).rejects.toThrow());
    }
  });
}
