// The one read of the directory that reaches a node: a client's nonce goes through, fresh evidence comes back. Rate-limited.

import { OUTER_HEADER } from '../../shared/wire/header-names.ts';
import { LIMIT } from '../../shared/wire/limits.ts';
import { noncePath } from '../../shared/wire/routes.ts';
import { makeTicket } from '../../shared/wire/ticket.ts';
import { readWithin } from '../gate/limit-body.ts';
import { Refusal } from '../gate/refusal.ts';
import type { Route } from '../relay/route-table.ts';

export interface NonceContext {
  readonly requestId: string;
  readonly now: Date;
  readonly fetch: typeof fetch;
  /** Counts requests per caller at this location; absent where a deployment forgot to bind it. */
  readonly limiter: RateLimit | undefined;
}

/** Quotes take tens of milliseconds; a node that takes this long will not answer. */
const ANSWER_MILLISECONDS = 15_000;
const RETRY_AFTER_SECONDS = 10;
/** Nobody's account: evidence is public. */
const ACCOUNT = 'public';

/**
 * `GET /directory/nodes/{node}/nonces/{nonce}`. Nothing of it is kept.
 * @throws Refusal `not_found`, `rate_limited`, `evidence_unavailable`, `edge_misconfigured`.
 */
export async function askNonce(
  request: Request,
  route: Route | undefined,
  nonce: string,
  context: NonceContext,
): Promise<Response> {
  const { requestId, now, fetch, limiter } = context;
  // 43 characters hold 258 bits: the last one's two spare bits must be zero.
  if (route === undefined || !/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(nonce))
    throw new Refusal('not_found');
  if (limiter === undefined)
    throw new Refusal('edge_misconfigured', {
      message: 'The edge has no rate limit for nonces. Nothing was sent.',
    });
  const caller = request.headers.get('cf-connecting-ip') ?? 'local';
  if (!(await limiter.limit({ key: caller })).success)
    throw new Refusal('rate_limited', { headers: { 'retry-after': String(RETRY_AFTER_SECONDS) } });
  const ticket = await makeTicket(route.ticketKey, {
    account: ACCOUNT,
    request: requestId,
    maxRequestBytes: 0,
    expires: Math.floor(now.getTime() / 1000) + LIMIT.ticketLifeSeconds,
  });
  try {
    const upstream = await fetch(route.address + noncePath(route.node, nonce), {
      headers: { [OUTER_HEADER.requestId]: requestId, [OUTER_HEADER.ticket]: ticket },
      signal: AbortSignal.any([request.signal, AbortSignal.timeout(ANSWER_MILLISECONDS)]),
      // A node that could redirect would choose who else gets the ticket.
      redirect: 'manual',
    });
    if (upstream.status !== 200) throw new Error('refused');
    const bundle = await readWithin(upstream, LIMIT.bundleBytes);
    return new Response(bundle, {
      headers: {
        'content-type': 'application/json',
        'content-encoding': 'identity',
        'cache-control': 'no-store',
      },
    });
  } catch {
    throw new Refusal('evidence_unavailable');
  }
}
