// The node's side of a nonce: only what its edge admitted, because a quote is the dearest thing that a stranger can ask for.

import type { Hono } from 'hono';
import { fromBase64url } from '../../shared/bytes/base64url.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { OUTER_HEADER } from '../../shared/wire/header-names.ts';
import { publicErrorResponse } from '../../shared/wire/public-error.ts';
import { DIRECTORY_PATH } from '../../shared/wire/routes.ts';
import type { Admission } from './admission.ts';
import { Refusal } from './refusal.ts';

/** A bundle whose statement answers this nonce of 32 octets; rejects when there is none to be had. */
export type FreshBundle = (nonce: Bytes) => Promise<Bytes>;

/** What the route needs. */
export interface NonceRouteParts {
  /** base64url node id. */
  readonly node: string;
  readonly admission: Admission;
  readonly now: () => Date;
  readonly freshBundle: FreshBundle;
}

/** Adds `GET /directory/nodes/{node}/nonces/{nonce}`. */
export function addNonceRoute(app: Hono, parts: NonceRouteParts): void {
  app.get(`${DIRECTORY_PATH}/:node/nonces/:nonce`, async (c) => {
    if (c.req.param('node') !== parts.node) return publicErrorResponse('not_found');
    try {
      await parts.admission.check(c.req.header(OUTER_HEADER.ticket), parts.now());
    } catch (error) {
      return publicErrorResponse(error instanceof Refusal ? error.code : 'internal_error');
    }
    let nonce: Bytes;
    try {
      nonce = fromBase64url(c.req.param('nonce'));
    } catch {
      return publicErrorResponse('not_found');
    }
    try {
      const bundle = await parts.freshBundle(nonce);
      return new Response(bundle, {
        headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
      });
    } catch (error) {
      return publicErrorResponse(error instanceof RangeError ? 'not_found' : 'evidence_unavailable');
    }
  });
}
