// Divides one engine's prefix cache by session: a salt that no client chooses and no two sessions share.

import { createHmac } from 'node:crypto';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import { fromUtf8, toUtf8 } from '../../../shared/bytes/utf8.ts';
import type { EngineRequest, EngineResponse } from '../engine.ts';
import type { EngineService } from '../engine-service.ts';
import { replaceMembers } from './replace-members.ts';

/** The member in which an engine takes the salt: vLLM's, and our own engine's. */
export const CACHE_SALT = 'cache_salt';

const LABEL = 'cloister cache salt v1\0';
const SALT_OCTETS = 32;
/** By the first a client could choose its cache; by the others (llama-server) the place in it. */
const OURS_TO_SAY: ReadonlySet<string> = new Set([CACHE_SALT, 'cache_prompt', 'id_slot']);

/**
 * The same service for sessions that must not learn of each other by the time an answer takes: into every JSON body goes a salt,
 * HMAC-SHA-256(this node's random key, label ‖ session), and out of it whatever a client would say about the cache. A request without
 * a session has a salt of its own. The engine learns that two requests are of one session, which it could tell anyway, and no more.
 */
export function saltCaches(service: EngineService, random: (octets: number) => Uint8Array): EngineService {
  const key = random(SALT_OCTETS);
  const saltOf = (session: string | undefined): string =>
    session === undefined
      ? toBase64url(random(SALT_OCTETS))
      : createHmac('sha256', key).update(LABEL).update(session).digest('base64url');
  return withRequest(service, (request) => {
    if (request.body.length === 0) return service.request(request);
    const body = addSalt(request.body, saltOf(request.tenant?.session));
    return body === undefined ? Promise.resolve(notJson()) : service.request({ ...request, body });
  });
}

/** The service with another way to send a request; everything else is asked of the one inside, whenever it is asked. */
function withRequest(
  service: EngineService,
  request: (request: EngineRequest) => Promise<EngineResponse>,
): EngineService {
  return {
    driver: service.driver,
    probe: service.probe,
    probeDigest: service.probeDigest,
    ended: service.ended,
    get pids() {
      return service.pids;
    },
    get isAccepting() {
      return service.isAccepting;
    },
    request,
    drain: (milliseconds) => service.drain(milliseconds),
    stop: () => service.stop(),
  };
}

function addSalt(body: Uint8Array, salt: string): Uint8Array | undefined {
  let text: string;
  try {
    text = fromUtf8(body);
  } catch {
    return undefined;
  }
  const salted = replaceMembers(text, OURS_TO_SAY, CACHE_SALT, salt);
  return salted === undefined ? undefined : toUtf8(salted);
}

// What every engine would answer; none is asked, because one that reads more leniently might find a salt of the client's.
function notJson(): EngineResponse {
  const error = {
    message: 'The body is not a JSON object.',
    type: 'invalid_request_error',
    param: null,
    code: 'invalid_json',
  };
  const { body } = new Response(JSON.stringify({ error }));
  return {
    status: 400,
    headers: { 'content-type': 'application/json' },
    body: body as EngineResponse['body'],
  };
}
