// Whether a deployment's surface can be served, before a node attests to it: what stands in the core is then what happens.

import { FEATURES } from '../limits/check-features.ts';
import { SERVABLE_ROUTES } from './translate-request.ts';

/** A deployment names a route or a feature that no adapter of this kind has. Code `surface_not_servable`. */
export class SurfaceError extends Error {
  override readonly name = 'SurfaceError';
  readonly code = 'surface_not_servable';
  /** The names, in the deployment's order. */
  readonly names: readonly string[];
  constructor(names: readonly string[]) {
    super(`the deployment offers what this node cannot serve: ${names.join(', ')}`);
    this.names = names;
  }
}

/** @throws SurfaceError with every name that cannot be served. */
export function checkSurface(surface: {
  readonly routes: readonly string[];
  readonly features: readonly string[];
}): void {
  const features: readonly string[] = FEATURES;
  const unknown = [
    ...surface.routes.filter((route) => !SERVABLE_ROUTES.includes(route)),
    ...surface.features.filter((feature) => !features.includes(feature)),
  ];
  if (unknown.length > 0) throw new SurfaceError(unknown);
}
