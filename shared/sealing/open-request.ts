// The gateway's half of a request: checks it, opens it whole, and gives the means to answer it once.

import type { RecipientContext } from 'hpke';
import type { Bytes } from '../bytes/concat.ts';
import { LIMIT } from '../wire/limits.ts';
import { MEDIA_TYPE, type SealedRequestType } from '../wire/media-types.ts';
import { FINAL_AAD, NON_FINAL_AAD, readChunk, takeHeldChunk } from './chunk-framing.ts';
import { decodeHeader, HEADER_OCTETS, requestInfo, responseLabel } from './encapsulation.ts';
import { type GatewayKey, isErased, setUpRecipient } from './gateway-key.ts';
import { GrowingBuffer } from './growing-buffer.ts';
import { OctetReader, type OctetSource } from './octet-reader.ts';
import type { SealingProvider } from './provider.ts';
import { responseNonceOctets } from './response-keys.ts';
import { makeResponseSealer, type ResponseSealer } from './response-sealer.ts';
import { SealingError } from './sealing-error.ts';
import { isSameSuite, kemSizes, type Suite } from './suite.ts';

/** A request whose end was authenticated. */
export interface ReceivedRequest {
  readonly key: GatewayKey;
  readonly suite: Suite;
  /** The encapsulated secret: what replay memory remembers the hash of. */
  readonly enc: Bytes;
  readonly plaintext: Bytes;
  /** Starts the answer. Single use: a second call throws SealingError `closed`. */
  respond(random: (octets: number) => Bytes): ResponseSealer;
}

export interface ReceiveRequestOptions {
  readonly type: SealedRequestType;
  /** Read to its end on success. On failure it is unlocked where it stands: the caller cancels or drains it as its transport wants. */
  readonly body: ReadableStream<Uint8Array> | OctetSource;
  readonly findKey: (keyId: number) => GatewayKey | undefined;
  /** Runs after the cheap checks and before any public-key work: the place to reserve `enc` against replay. Its throw passes through. */
  readonly beforeDecapsulation?: (enc: Bytes, key: GatewayKey) => void | Promise<void>;
  readonly maxPlaintextBytes: number;
  readonly maxBodyBytes: number;
  readonly provider: SealingProvider;
}

/**
 * Opens a request. Nothing of it is handed out before the final chunk was authenticated, because acting on part of a request
 * is open to truncation and replay (chunked-ohttp-08, security considerations).
 * @throws SealingError `key_unknown`, `suite_unsupported`, `request_malformed`, `request_truncated`, `request_too_large`,
 * `chunk_empty`, `chunk_too_large`, `open_failed`; and whatever `body` or `beforeDecapsulation` throws.
 */
export async function receiveRequest(options: ReceiveRequestOptions): Promise<ReceivedRequest> {
  const reader = new OctetReader(
    options.body,
    options.maxBodyBytes,
    () => new SealingError('request_too_large'),
  );
  try {
    return await receive(reader, options);
  } finally {
    reader.release();
  }
}

async function receive(reader: OctetReader, options: ReceiveRequestOptions): Promise<ReceivedRequest> {
  const { type, provider } = options;
  const { key, suite, header } = await readHeader(reader, options);
  const enc = await readEnc(reader, suite);
  await options.beforeDecapsulation?.(enc, key);
  const context = await setUpRecipient(key, suite, enc, requestInfo(type, header));
  const plaintext =
    type === MEDIA_TYPE.chunkedRequest
      ? await openChunks(reader, context, options.maxPlaintextBytes)
      : await openWhole(reader, context, options.maxPlaintextBytes);
  const secret = (await context.Export(responseLabel(type), responseNonceOctets(suite))) as Bytes;
  let answered = false;
  return {
    key,
    suite,
    enc,
    plaintext,
    respond(random) {
      if (answered) throw new SealingError('closed');
      answered = true;
      return makeResponseSealer(type, { suite, enc, secret }, provider, random);
    },
  };
}

async function readHeader(reader: OctetReader, options: ReceiveRequestOptions) {
  const octets = await reader.exactly(HEADER_OCTETS);
  if (octets === undefined) throw new SealingError('request_truncated');
  const header = octets.slice();
  const { keyId, suite } = decodeHeader(header);
  const key = options.findKey(keyId);
  if (key === undefined || isErased(key)) throw new SealingError('key_unknown');
  if (!key.suites.some((offered) => isSameSuite(offered, suite))) throw new SealingError('suite_unsupported');
  return { key, suite, header };
}

async function readEnc(reader: OctetReader, suite: Suite): Promise<Bytes> {
  const octets = await reader.exactly(kemSizes(suite.kemId)?.enc ?? 0);
  if (octets === undefined) throw new SealingError('request_truncated');
  // The X25519 share is all of enc or its last 32 octets; all zero, it forces a zero shared secret (RFC 7748 section 6.1).
  if (octets.subarray(-32).every((octet) => octet === 0)) throw new SealingError('request_malformed');
  return octets.slice();
}

async function openChunks(
  reader: OctetReader,
  context: RecipientContext,
  maxPlaintextBytes: number,
): Promise<Bytes> {
  const whole = new GrowingBuffer();
  // Ends: every chunk but the last has an octet, and their sum is bounded.
  for (;;) {
    const { final, sealed } = takeHeldChunk(reader) ?? (await readChunk(reader, 'request'));
    if (whole.length + sealed.length - LIMIT.tagBytes > maxPlaintextBytes)
      throw new SealingError('request_too_large');
    const piece = await open(context, sealed, final ? FINAL_AAD : NON_FINAL_AAD);
    if (final && whole.length === 0) return piece;
    whole.append(piece);
    if (final) return whole.take();
  }
}

async function openWhole(
  reader: OctetReader,
  context: RecipientContext,
  maxPlaintextBytes: number,
): Promise<Bytes> {
  const sealed = await reader.toEnd(maxPlaintextBytes + LIMIT.tagBytes);
  if (sealed === undefined) throw new SealingError('request_too_large');
  if (sealed.length < LIMIT.tagBytes) throw new SealingError('request_truncated');
  return open(context, sealed, NON_FINAL_AAD);
}

async function open(context: RecipientContext, sealed: Bytes, aad: Bytes): Promise<Bytes> {
  try {
    return (await context.Open(sealed, aad)) as Bytes;
  } catch {
    throw new SealingError('open_failed');
  }
}
