// Carries one sealed request to the node that holds its key, and the node's sealed answer back.

import { OUTER_HEADER } from '../../shared/wire/header-names.ts';
import { LIMIT } from '../../shared/wire/limits.ts';
import { MEDIA_TYPE, type SealedRequestType, sealedRequestType } from '../../shared/wire/media-types.ts';
import { GATEWAY_PATH } from '../../shared/wire/routes.ts';
import { makeTicket } from '../../shared/wire/ticket.ts';
import { checkDeclaredLength } from '../gate/limit-body.ts';
import { Refusal } from '../gate/refusal.ts';
import { nodeByDigest, nodeByKeyId } from './choose-node.ts';
import { keyUnknown, rebuildAnswer } from './rebuild-answer.ts';
import type { ReadNodes, Route, RouteTable } from './route-table.ts';
import { SealedBody } from './sealed-body.ts';

export interface ForwardContext {
  readonly account: string;
  readonly requestId: string;
  readonly table: RouteTable;
  readonly readNodes: ReadNodes;
  readonly now: Date;
  readonly fetch: typeof fetch;
  /** How long a node may take to its response headers. */
  readonly headerMilliseconds: number;
}

/**
 * Forwards a request whose content type is a sealed one and whose key was admitted. Nothing of the request but its body, its
 * media type and its route reaches the node.
 * @throws Refusal: `request_too_large`, `sealed_request_invalid` (empty), `no_node_available`, `key_unknown`,
 * `node_unreachable`, `node_timeout`, or what the node refused with.
 */
export async function forwardRequest(request: Request, context: ForwardContext): Promise<Response> {
  const type = sealedRequestType(request.headers.get('content-type'));
  if (type === undefined) throw new Refusal('unsealed_request');
  const length = checkDeclaredLength(request.headers, LIMIT.sealedRequestBytes);
  if (request.body === null) throw new Refusal('sealed_request_invalid');
  const body = new SealedBody(request.body as ReadableStream<Uint8Array>, LIMIT.sealedRequestBytes);
  try {
    const route = await chooseRoute(request.headers, body, context);
    const upstream = await fetchHeaders(request.signal, route, type, body, length, context);
    return await rebuildAnswer(upstream, type);
  } catch (error) {
    await body.cancel();
    throw error;
  }
}

async function chooseRoute(headers: Headers, body: SealedBody, context: ForwardContext): Promise<Route> {
  const digest = headers.get(OUTER_HEADER.key);
  const keyId = digest === null ? await body.firstOctet() : undefined;
  if (digest === null && keyId === undefined) throw new Refusal('sealed_request_invalid');
  const choose = (routes: readonly Route[]) =>
    digest === null ? nodeByKeyId(routes, keyId ?? -1) : nodeByDigest(routes, digest);
  const route = await context.table.find(context.readNodes, context.now, choose);
  if (route !== undefined) return route;
  const live = await context.table.routes(context.readNodes, context.now);
  throw live.length === 0 ? new Refusal('no_node_available') : keyUnknown();
}

async function fetchHeaders(
  client: AbortSignal,
  route: Route,
  type: SealedRequestType,
  body: SealedBody,
  length: number | undefined,
  context: ForwardContext,
): Promise<Response> {
  const headers: Record<string, string> = {
    'content-type': type,
    [OUTER_HEADER.requestId]: context.requestId,
    [OUTER_HEADER.ticket]: await makeTicket(route.ticketKey, {
      account: context.account,
      request: context.requestId,
      maxRequestBytes: LIMIT.sealedRequestBytes,
      expires: Math.floor(context.now.getTime() / 1000) + LIMIT.ticketLifeSeconds,
    }),
  };
  if (type === MEDIA_TYPE.chunkedRequest) headers[OUTER_HEADER.incremental] = '?1';

  const stop = new AbortController();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stop.abort();
  }, context.headerMilliseconds);
  try {
    const upstream = await context.fetch(route.address + GATEWAY_PATH, {
      method: 'POST',
      headers,
      body: body.stream(length, () => stop.abort()),
      signal: AbortSignal.any([client, stop.signal]),
      // A node that could redirect would choose who else gets the ticket.
      redirect: 'manual',
    });
    if (body.failure === undefined) return upstream;
    await upstream.body?.cancel().catch(() => undefined);
  } catch {
    if (late) throw new Refusal('node_timeout');
  } finally {
    clearTimeout(timer);
  }
  throw new Refusal(body.failure === 'too_large' ? 'request_too_large' : 'node_unreachable');
}
