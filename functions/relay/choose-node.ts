// Chooses the node that holds a request's key: by the key's digest, or by the first octet of what was sealed to it.

import type { Route, RoutedKey } from './route-table.ts';

/** The node that registered the configuration with this digest. */
export function nodeByDigest(routes: readonly Route[], digest: string): Route | undefined {
  return routes.find((route) => [...route.keys, ...route.otherKeys].some((key) => key.digest === digest));
}

/** The node behind a key id: the same that `listedKeys` names for it, or else one that still opens a key with this id. */
export function nodeByKeyId(routes: readonly Route[], keyId: number): Route | undefined {
  const holds = (keys: readonly RoutedKey[]) => keys.some((key) => key.keyId === keyId);
  return routes.find((route) => holds(route.keys)) ?? routes.find((route) => holds(route.otherKeys));
}

/** The configurations that a client without `cloister-key` can use: of each key id the first, so that the id is a route. */
export function listedKeys(routes: readonly Route[]): readonly RoutedKey[] {
  const byId = new Map<number, RoutedKey>();
  for (const route of routes)
    for (const key of route.keys) if (!byId.has(key.keyId)) byId.set(key.keyId, key);
  return [...byId.values()];
}
