// How tenants are kept apart on one worker: part of a deployment, and so of what a client verifies.

import { byMember, integer, object, oneOf, refuse, rule, type Shape } from '../bytes/shape.ts';

/** An engine for each tenant, started when the tenant first asks. */
export interface PerTenantIsolation {
  readonly mode: 'per-tenant';
  /**
   * What a tenant is. `session`: the 32 octets that a client keeps inside the seal, which nobody else knows. `account`: the handle in the
   * edge's ticket: several sessions share an engine, and the edge decides which.
   */
  readonly by: 'session' | 'account';
  /** Engines at most; the one that was idle for longest gives way. Each may take its own memory limit. */
  readonly engines: number;
  /** An engine without requests for so long ends. */
  readonly idle_seconds: number;
}

/** Engines that are started beforehand, serve one session and end. */
export interface SingleUseIsolation {
  readonly mode: 'single-use';
  /** Engines that wait for a session. */
  readonly spares: number;
  /** Engines at most, waiting and serving. Above `spares`, or the first session leaves no room for the next spare. */
  readonly engines: number;
  /** A session may ask again for so long; 0: its engine ends with its last answer. */
  readonly linger_seconds: number;
}

/** `shared`: one engine serves all, its prefix cache divided by a salt from each session. */
export type Isolation = 'shared' | PerTenantIsolation | SingleUseIsolation;

const MOST_ENGINES = 1024;
const DAY_SECONDS = 86_400;

const modes = byMember<PerTenantIsolation | SingleUseIsolation>('mode', 'per-tenant', {
  'per-tenant': object<PerTenantIsolation>({
    mode: oneOf('per-tenant'),
    by: oneOf('session', 'account'),
    engines: integer(1, MOST_ENGINES),
    idle_seconds: integer(1, DAY_SECONDS),
  }),
  'single-use': rule(
    object<SingleUseIsolation>({
      mode: oneOf('single-use'),
      spares: integer(1, MOST_ENGINES),
      engines: integer(1, MOST_ENGINES),
      linger_seconds: integer(0, DAY_SECONDS),
    }),
    ({ spares, engines }) => (spares > engines ? 'has more spares than engines' : undefined),
  ),
});

/** Reads the member `isolation` of a deployment. */
export const isolationShape: Shape<Isolation> = (value, path, problems) => {
  if (value === 'shared') return value;
  if (typeof value !== 'object') return refuse(path, 'must be "shared" or an object with a mode', problems);
  return modes(value, path, problems);
};
