// Tells our engine whose turn a request takes, in a word that says nothing else.

import { createHmac } from 'node:crypto';
import type { EngineRequest, Tenant } from './engine.ts';
import { FAIR_SHARE_HEADER } from './llama/engine-headers.ts';

const LABEL = 'cloister fair share v1\0';
const KEY_OCTETS = 32;

/**
 * The same request with its share: HMAC-SHA256 over `cloister fair share v1` ‖ 00 and the account, or the session where no account is known,
 * under a key of this engine's start; base64url. An account counts first: one caller with many sessions is one caller. Without either the
 * engine goes by the cache's salt.
 */
export function shareFairly(
  random: (octets: number) => Uint8Array,
): (request: EngineRequest) => EngineRequest {
  const key = random(KEY_OCTETS);
  const shareOf = ({ account, session }: Tenant): string | undefined => {
    const who = account === undefined ? session : `account\0${account}`;
    return who === undefined
      ? undefined
      : createHmac('sha256', key).update(LABEL).update(who).digest('base64url');
  };
  return (request) => {
    const share = request.tenant === undefined ? undefined : shareOf(request.tenant);
    if (share === undefined) return request;
    return { ...request, headers: { ...request.headers, [FAIR_SHARE_HEADER]: share } };
  };
}
