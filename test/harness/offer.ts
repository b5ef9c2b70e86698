// What an adapter offers in tests: the given routes, every feature, and the engine of this house.

import { randomBytes } from 'node:crypto';
import { CacheSalts } from '../../backend/adapter/dialects/cache-salt.ts';
import { ENGINE_TRAITS } from '../../backend/adapter/dialects/engine-traits.ts';
import type { Offer } from '../../backend/adapter/dialects/translation.ts';
import { FEATURES } from '../../backend/adapter/limits/check-features.ts';

const random = (octets: number) => new Uint8Array(randomBytes(octets));

/** `over` replaces parts of it. */
export function offerOf(routes: readonly string[], over: Partial<Offer> = {}): Offer {
  return {
    routes,
    features: FEATURES,
    traits: ENGINE_TRAITS['node-llama-cpp'],
    salts: new CacheSalts(random),
    now: () => new Date(),
    random,
    ...over,
  };
}
