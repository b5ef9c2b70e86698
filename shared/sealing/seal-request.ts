// The client's half of one exchange: seals a request as it is produced, and keeps what opens the answer.

import type { SenderContext } from 'hpke';
import { type Bytes, concat } from '../bytes/concat.ts';
import { MEDIA_TYPE } from '../wire/media-types.ts';
import { encodeHeader, requestInfo, responseLabel } from './encapsulation.ts';
import { type KeyConfig, offersSuite } from './key-config.ts';
import { openResponseStream } from './open-response.ts';
import type { SealingProvider } from './provider.ts';
import { type ResponseSecret, responseNonceOctets } from './response-keys.ts';
import { sealChunks } from './seal-chunks.ts';
import { SealingError } from './sealing-error.ts';
import { isSupportedSuite, type Suite } from './suite.ts';

/** One sealed request on its way and the means to open its one answer. */
export interface SealedExchange {
  readonly contentType: typeof MEDIA_TYPE.chunkedRequest;
  /** Octets for the wire. Pull-based; cancelling it cancels the plaintext; a plaintext that fails ends it without a final chunk. */
  readonly body: ReadableStream<Bytes>;
  /**
   * The plaintext of the answer. Single use: a second call throws SealingError `closed`. The stream yields chunks as they
   * open and CLOSES only after the authenticated final chunk; see openResponseStream for its errors, the first of which stays.
   */
  openResponse(body: ReadableStream<Uint8Array>): ReadableStream<Bytes>;
}

export interface SealRequestOptions {
  readonly config: KeyConfig;
  /** One that `config` offers. */
  readonly suite: Suite;
  /** Every delivery of a stream is sealed at once, in chunks of at most 16 KiB; nothing is held back to fill one. */
  readonly plaintext: ReadableStream<Uint8Array> | Uint8Array;
  readonly provider: SealingProvider;
}

/**
 * Encapsulates a fresh secret to the configuration's key and starts a chunked request under it.
 * @throws SealingError `suite_unsupported`, or `key_config_malformed` when the public key is not one.
 */
export async function sealRequest(options: SealRequestOptions): Promise<SealedExchange> {
  const { config, suite, provider } = options;
  if (!isSupportedSuite(suite) || !offersSuite(config, suite)) throw new SealingError('suite_unsupported');
  const type = MEDIA_TYPE.chunkedRequest;
  const header = encodeHeader(config.keyId, suite);
  const { context, enc } = await setUp(options, requestInfo(type, header));
  const exported = await context.Export(responseLabel(type), responseNonceOctets(suite));
  let secret: ResponseSecret | undefined = { suite, enc, secret: exported as Bytes };
  return {
    contentType: type,
    body: sealChunks(context, concat(header, enc), options.plaintext),
    openResponse(body) {
      if (secret === undefined) throw new SealingError('closed');
      const once = secret;
      secret = undefined;
      return openResponseStream(body, once, provider);
    },
  };
}

async function setUp(
  { config, suite, provider }: SealRequestOptions,
  info: Bytes,
): Promise<{ context: SenderContext; enc: Bytes }> {
  const hpke = await provider.cipherSuite(suite);
  try {
    const publicKey = await hpke.DeserializePublicKey(config.publicKey);
    const { ctx, encapsulatedSecret } = await hpke.SetupSender(publicKey, { info });
    return { context: ctx, enc: encapsulatedSecret as Bytes };
  } catch {
    // Import and encapsulation fail for one reason: the octets are no public key (a low-order point, an ML-KEM modulus).
    throw new SealingError('key_config_malformed');
  }
}
