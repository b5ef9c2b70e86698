// What `--isolation` of a local start means: the numbers that an owner of this machine would put into the deployment.

import type { Isolation } from '../../shared/manifest/isolation.ts';

export type IsolationMode = 'shared' | 'per-tenant' | 'single-use';

/** By mode: few engines, because each takes its own key-value cache and start. */
export const ISOLATION_MODES: Readonly<Record<IsolationMode, Isolation>> = {
  shared: 'shared',
  'per-tenant': { mode: 'per-tenant', by: 'session', engines: 3, idle_seconds: 300 },
  'single-use': { mode: 'single-use', spares: 1, engines: 3, linger_seconds: 60 },
};

export function isIsolationMode(text: string): text is IsolationMode {
  return Object.hasOwn(ISOLATION_MODES, text);
}
