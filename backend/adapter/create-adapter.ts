// The node's HTTP face: one sealed route, the key list, liveness. Everything else answers that it takes sealed requests only.

import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { OUTER_HEADER } from '../../shared/wire/header-names.ts';
import { MEDIA_TYPE } from '../../shared/wire/media-types.ts';
import { publicErrorResponse } from '../../shared/wire/public-error.ts';
import { DIRECTORY_PATH, GATEWAY_PATH, HEALTH_PATH, INFERENCE_PREFIX } from '../../shared/wire/routes.ts';
import { IncomingBody } from './incoming-body.ts';
import { addNonceRoute, type FreshBundle } from './nonce-route.ts';
import { Refusal } from './refusal.ts';
import { makeSealedRoute, type SealedRouteParts } from './sealed-route.ts';
import { answerResponse, sendAnswer } from './send-answer.ts';

/** What the adapter is made of. */
export interface AdapterParts extends SealedRouteParts {
  /** Evidence that answers a nonce; absent: this node offers none. */
  readonly freshBundle?: FreshBundle;
  /** The current `application/ohttp-keys` list. */
  readonly keyList: () => Bytes;
  /** base64url node id. */
  readonly node: string;
  /** The current attestation bundle. */
  readonly bundle: () => Bytes;
}

/** The adapter, twice: the same routes and the same answers. It starts no server and reads no clock of its own. */
export interface Adapter {
  /** For whoever has a web Request. */
  fetch(request: Request): Response | Promise<Response>;
  /** For Node's HTTP server. The sealed route goes past web Requests and streams here, which would cost as much as opening and sealing. */
  readonly listener: RequestListener;
}

/** Makes the adapter. */
export function createAdapter(parts: AdapterParts): Adapter {
  const app = new Hono();
  const sealed = makeSealedRoute(parts);

  app.get(HEALTH_PATH, (c) =>
    parts.engine.isAccepting === false ? c.json({ status: 'unavailable' }, 503) : c.json({ status: 'ok' }),
  );

  app.get(
    GATEWAY_PATH,
    () => new Response(parts.keyList(), { headers: { 'content-type': MEDIA_TYPE.keys } }),
  );

  // Evidence is public; a node hands out its own, so that it can be verified without a directory.
  app.get(`${DIRECTORY_PATH}/:node`, (c) => {
    if (c.req.param('node') !== parts.node) return publicErrorResponse('not_found');
    return new Response(parts.bundle(), {
      headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    });
  });

  const { freshBundle, node, admission, opening } = parts;
  if (freshBundle) addNonceRoute(app, { freshBundle, node, admission, now: opening.now });

  app.post(GATEWAY_PATH, async (c) => {
    const { headers, body } = c.req.raw;
    try {
      return answerResponse(
        await sealed({
          contentType: headers.get('content-type'),
          contentLength: headers.get('content-length'),
          ticket: headers.get(OUTER_HEADER.ticket),
          body: body?.getReader(),
        }),
      );
    } catch (error) {
      return publicErrorResponse(codeOf(error));
    }
  });

  app.all(`${INFERENCE_PREFIX}*`, () => publicErrorResponse('unsealed_request'));
  app.notFound(() => publicErrorResponse('not_found'));
  app.onError(() => publicErrorResponse('internal_error'));

  const others = getRequestListener(app.fetch);
  return {
    fetch: (request) => app.fetch(request),
    listener: (incoming, outgoing) =>
      incoming.method === 'POST' && incoming.url === GATEWAY_PATH
        ? listen(incoming, outgoing)
        : others(incoming, outgoing),
  };

  async function listen(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = new IncomingBody(incoming);
    const { headers } = incoming;
    try {
      const ticket = headers[OUTER_HEADER.ticket];
      const answer = await sealed({
        contentType: headers['content-type'],
        contentLength: headers['content-length'],
        // Sent twice, it is none that was made.
        ticket: typeof ticket === 'string' ? ticket : undefined,
        body,
      });
      await sendAnswer(answer, outgoing);
    } catch (error) {
      const refusal = publicErrorResponse(codeOf(error));
      const text = await refusal.text();
      outgoing.writeHead(refusal.status, Object.fromEntries(refusal.headers)).end(text);
      await body.drain();
    }
  }
}

function codeOf(error: unknown) {
  return error instanceof Refusal ? error.code : 'internal_error';
}
