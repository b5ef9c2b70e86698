// Seals requests to a test's node by hand, so that what is inside can be wrong in every way.

import { nodeCryptoProvider } from '../../../backend/keys/node-crypto-provider.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { encodeBhttpRequest } from '../../../shared/sealing/bhttp-request.ts';
import { decodeBhttpResponse } from '../../../shared/sealing/bhttp-response.ts';
import type { GatewayKey } from '../../../shared/sealing/gateway-key.ts';
import { sealRequest } from '../../../shared/sealing/seal-request.ts';
import type { Suite } from '../../../shared/sealing/suite.ts';

export interface Sealed {
  readonly octets: Bytes;
  readonly type: string;
  /** Opens the answer. */
  open(response: Response): Promise<{ status: number; headers: Map<string, string>; text: string }>;
}

/** Seals any octets. */
export async function seal(key: GatewayKey, plaintext: Bytes): Promise<Sealed> {
  const exchange = await sealRequest({
    config: key.config,
    suite: key.suites[0] as Suite,
    plaintext,
    provider: nodeCryptoProvider,
  });
  const pieces: Uint8Array[] = [];
  for await (const piece of exchange.body as unknown as AsyncIterable<Uint8Array>) pieces.push(piece);
  return {
    octets: concat(...pieces),
    type: exchange.contentType,
    async open(response) {
      if (response.body === null) throw new Error('no body');
      const inner = await decodeBhttpResponse(exchange.openResponse(response.body), {
        maxHeaderBytes: 1 << 15,
      });
      return {
        status: inner.status,
        headers: new Map(inner.headers.map(([name, value]) => [name, value])),
        text: await new Response(inner.body as ReadableStream<Uint8Array<ArrayBuffer>>).text(),
      };
    },
  };
}

/** A chat request with these headers. */
export function chatRequest(headers: readonly (readonly [string, string])[], body = '{}'): Bytes {
  return encodeBhttpRequest({
    method: 'POST',
    scheme: 'https',
    authority: 'engine.invalid',
    path: '/v1/chat/completions',
    headers: [['content-type', 'application/json'], ...headers],
    body: new TextEncoder().encode(body),
  });
}
