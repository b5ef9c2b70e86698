// From sealed octets to a checked inner request: replay, decapsulation, binary HTTP, and the headers inside the seal.

import type { Bytes } from '../../shared/bytes/concat.ts';
import type { FieldLines } from '../../shared/sealing/bhttp-fields.ts';
import { decodeBhttpRequest } from '../../shared/sealing/bhttp-request.ts';
import type { GatewayKey } from '../../shared/sealing/gateway-key.ts';
import type { OctetSource } from '../../shared/sealing/octet-reader.ts';
import { receiveRequest } from '../../shared/sealing/open-request.ts';
import type { SealingProvider } from '../../shared/sealing/provider.ts';
import type { ResponseSealer } from '../../shared/sealing/response-sealer.ts';
import { SealingError } from '../../shared/sealing/sealing-error.ts';
import { INNER_HEADER } from '../../shared/wire/header-names.ts';
import { LIMIT } from '../../shared/wire/limits.ts';
import type { SealedRequestType } from '../../shared/wire/media-types.ts';
import { Refusal } from './refusal.ts';
import type { ReplayMemory } from './replay-memory.ts';
import { WatchedBody } from './watched-body.ts';

/** The request that was inside the seal. */
export interface InnerRequest {
  readonly method: string;
  /** Path and query, as the client wrote them. */
  readonly path: string;
  readonly headers: FieldLines;
  readonly body: Bytes;
}

/** An opened request: whoever holds it owes a sealed answer. */
export interface OpenedRequest {
  readonly inner: InnerRequest;
  readonly sealer: ResponseSealer;
  /** A check inside the seal that failed: the answer is this code, sealed. */
  readonly refusal: Refusal | undefined;
  /** The core digest (base64url) that names the epoch whose key opened it; empty when that was erased meanwhile. */
  readonly epoch: string;
}

/** What opening needs from the node. */
export interface Opening {
  /** The gateway key of a key id with the core digest (base64url) that names it, while its epoch lives. */
  readonly findKey: (keyId: number) => { readonly key: GatewayKey; readonly coreDigest: string } | undefined;
  readonly replays: ReplayMemory;
  readonly provider: SealingProvider;
  readonly random: (octets: number) => Bytes;
  readonly now: () => Date;
  /** Called when a key's replay table is nearly or wholly full, and as often as it is, so that the owner rotates that key. */
  readonly onReplayTableFull: (keyId: number) => void;
}

/**
 * Opens one sealed request of at most `maxBodyBytes` octets.
 * @throws Refusal before decapsulation: `key_unknown`, `replay_detected`, `no_node_available`; `request_too_large`; at decapsulation
 *   and for every malformed content alike: `sealed_request_invalid`, at a time that does not tell which step failed.
 */
export async function openRequest(
  type: SealedRequestType,
  body: OctetSource,
  node: Opening,
  maxBodyBytes: number = LIMIT.sealedRequestBytes,
): Promise<OpenedRequest> {
  const watched = new WatchedBody(body, maxBodyBytes);
  try {
    const received = await receiveRequest({
      type,
      body: watched,
      findKey: (keyId) => node.findKey(keyId)?.key,
      beforeDecapsulation: (enc, key) => reserve(enc, key, node),
      maxPlaintextBytes: LIMIT.sealedRequestBytes,
      maxBodyBytes,
      provider: node.provider,
    });
    const {
      method,
      path,
      headers,
      body: content,
    } = decodeBhttpRequest(received.plaintext, {
      maxHeaderBytes: LIMIT.innerHeaderBytes,
    });
    const inner = { method, path, headers, body: content };
    const coreDigest = node.findKey(received.key.config.keyId)?.coreDigest;
    return {
      inner,
      sealer: received.respond(node.random),
      refusal: checkInnerHeaders(headers, coreDigest, node.now()),
      epoch: coreDigest ?? '',
    };
  } catch (error) {
    if (!(error instanceof SealingError)) throw error;
    if (error.code === 'key_unknown') throw new Refusal('key_unknown');
    await watched.failUniformly();
    throw new Refusal(watched.tooLarge ? 'request_too_large' : 'sealed_request_invalid');
  } finally {
    watched.release();
  }
}

function reserve(enc: Uint8Array, key: GatewayKey, node: Opening): void {
  const { keyId } = key.config;
  // The rest of `enc` may have come after the key was erased and its table forgotten.
  if (node.findKey(keyId)?.key !== key) throw new Refusal('key_unknown');
  switch (node.replays.reserve(keyId, enc)) {
    case 'new':
      if (node.replays.isNearlyFull(keyId)) node.onReplayTableFull(keyId);
      return;
    case 'seen':
      throw new Refusal('replay_detected');
    case 'full':
      node.onReplayTableFull(keyId);
      throw new Refusal('no_node_available');
  }
}

// Headers of ours are optional, because a stock OHTTP client knows none of them; what is present must be right.
function checkInnerHeaders(
  headers: FieldLines,
  coreDigest: string | undefined,
  now: Date,
): Refusal | undefined {
  const date = headerValue(headers, INNER_HEADER.date);
  if (date !== undefined) {
    const skewSeconds = Math.abs(Date.parse(date) - now.getTime()) / 1000;
    // NaN, from a date that does not parse, is not within the window either.
    if (!(skewSeconds <= LIMIT.dateSkewSeconds)) return new Refusal('date_out_of_range');
  }
  const attestation = headerValue(headers, INNER_HEADER.attestation);
  if (attestation !== undefined && attestation !== coreDigest) return new Refusal('attestation_mismatch');
  const session = headerValue(headers, INNER_HEADER.session);
  if (session !== undefined && !/^[A-Za-z0-9_-]{43}$/.test(session)) return new Refusal('invalid_request');
  const idempotencyKey = headerValue(headers, INNER_HEADER.idempotencyKey);
  if (idempotencyKey !== undefined && !/^[\x21-\x7e]{1,255}$/.test(idempotencyKey))
    return new Refusal('invalid_request');
  return undefined;
}

/** The value of a header that may stand once; a repeated one is an empty string, which no check accepts. */
export function headerValue(headers: FieldLines, name: string): string | undefined {
  const values = headers.filter(([other]) => other === name).map(([, value]) => value);
  return values.length > 1 ? '' : values[0];
}
