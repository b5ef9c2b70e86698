// Whole exchanges in one call, and chunked messages as lists of chunks that tests can rearrange.

import { nodeCryptoProvider } from '../../../../backend/keys/node-crypto-provider.ts';
import { type Bytes, concat } from '../../../../shared/bytes/concat.ts';
import { type GatewayKey, generateGatewayKey } from '../../../../shared/sealing/gateway-key.ts';
import {
  type ReceivedRequest,
  type ReceiveRequestOptions,
  receiveRequest,
} from '../../../../shared/sealing/open-request.ts';
import { type SealedExchange, sealRequest } from '../../../../shared/sealing/seal-request.ts';
import { X25519_SUITE } from '../../../../shared/sealing/suite.ts';
import { MEDIA_TYPE } from '../../../../shared/wire/media-types.ts';
import { collect, streamOf } from './streams.ts';

/** Key id of every key here. */
export const KEY_ID = 0x2a;

/** A classical key: the quickest, for tests that open hundreds of messages. */
export function quickKey(): Promise<GatewayKey> {
  return generateGatewayKey({ keyId: KEY_ID, suites: [X25519_SUITE], provider: nodeCryptoProvider });
}

/** receiveRequest with generous limits. */
export function receive(
  key: GatewayKey,
  body: ReadableStream<Uint8Array> | Uint8Array,
  options: Partial<ReceiveRequestOptions> = {},
): Promise<ReceivedRequest> {
  return receiveRequest({
    type: MEDIA_TYPE.chunkedRequest,
    body: body instanceof Uint8Array ? streamOf(body) : body,
    findKey: (keyId) => (keyId === KEY_ID ? key : undefined),
    maxPlaintextBytes: 1 << 20,
    maxBodyBytes: 1 << 21,
    provider: nodeCryptoProvider,
    ...options,
  });
}

/** A chunked message: what comes before the chunks, and each framed chunk. */
export interface Message {
  readonly head: Bytes;
  readonly chunks: readonly Bytes[];
}

/** A sealed request whose chunks hold the given pieces, the last chunk empty and final. */
export async function sealedRequest(
  key: GatewayKey,
  pieces: readonly Uint8Array[],
): Promise<Message & { exchange: SealedExchange }> {
  const exchange = await sealRequest({
    config: key.config,
    suite: X25519_SUITE,
    plaintext: streamOf(...pieces),
    provider: nodeCryptoProvider,
  });
  const parts: Bytes[] = [];
  for await (const part of exchange.body) parts.push(part);
  const [head, ...chunks] = parts;
  if (head === undefined) throw new Error('no header');
  return { head, chunks, exchange };
}

/** A fresh exchange with its answer sealed, one chunk for each piece and an empty final one. */
export async function sealedResponse(
  key: GatewayKey,
  pieces: readonly Uint8Array[],
): Promise<Message & { exchange: SealedExchange }> {
  const exchange = await sealRequest({
    config: key.config,
    suite: X25519_SUITE,
    plaintext: Uint8Array.of(1),
    provider: nodeCryptoProvider,
  });
  const received = await receive(key, await collect(exchange.body));
  const sealer = received.respond(nodeCryptoProvider.random);
  const head = sealer.start();
  const chunks: Bytes[] = [];
  for (const piece of pieces) chunks.push(await sealer.seal(piece));
  chunks.push(await sealer.finish());
  return { head, chunks, exchange };
}

/** The message as the wire has it. */
export function wire(message: Message): Bytes {
  return concat(message.head, ...message.chunks);
}
