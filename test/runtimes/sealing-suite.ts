// What sealing must do alike in every runtime. Loaded into each; every call throws when something does not hold.

import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import { fromHex, toHex } from '../../shared/bytes/hex.ts';
import { toUtf8 } from '../../shared/bytes/utf8.ts';
import { generateGatewayKey } from '../../shared/sealing/gateway-key.ts';
import { receiveRequest } from '../../shared/sealing/open-request.ts';
import { deriveResponseRecords } from '../../shared/sealing/response-keys.ts';
import { sealRequest } from '../../shared/sealing/seal-request.ts';
import { HYBRID_AES128_SUITE, HYBRID_SUITE, X25519_SUITE } from '../../shared/sealing/suite.ts';
import { webCryptoProvider as provider } from '../../shared/sealing/webcrypto-provider.ts';
import { MEDIA_TYPE } from '../../shared/wire/media-types.ts';

const SUITES = { hybrid: HYBRID_SUITE, hybridAes128: HYBRID_AES128_SUITE, x25519: X25519_SUITE };

/** A vector of RFC 9180, as far as it is used here. */
export interface HpkeVector {
  readonly info: string;
  readonly skRm: string;
  readonly pkRm: string;
  readonly enc: string;
  readonly encryptions: readonly { readonly aad: string; readonly pt: string; readonly ct: string }[];
}

function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

function whole(stream: ReadableStream<Uint8Array>): Promise<Bytes> {
  return new Response(stream as ReadableStream<Bytes>).arrayBuffer().then((octets) => new Uint8Array(octets));
}

/** The calls of this entry. */
export const calls = {
  /** A request and its answer, both ways, with a chunk that is not the last. */
  async exchange(name: keyof typeof SUITES): Promise<void> {
    const suite = SUITES[name];
    const key = await generateGatewayKey({ keyId: 3, suites: [suite], provider });
    const plaintext = new Uint8Array(20_000).fill(65);
    const exchange = await sealRequest({ config: key.config, suite, plaintext, provider });
    const sealed = await whole(exchange.body);
    const received = await receiveRequest({
      type: MEDIA_TYPE.chunkedRequest,
      body: new Response(sealed).body as ReadableStream<Bytes>,
      findKey: () => key,
      maxPlaintextBytes: 1 << 20,
      maxBodyBytes: 1 << 20,
      provider,
    });
    must(toHex(received.plaintext) === toHex(plaintext), 'the request came out as another');
    const sealer = received.respond(provider.random);
    const answer = concat(sealer.start(), await sealer.seal(toUtf8('answer')), await sealer.finish());
    const opened = await whole(exchange.openResponse(new Response(answer).body as ReadableStream<Bytes>));
    must(toHex(opened) === toHex(toUtf8('answer')), 'the answer came out as another');
    const cut = await sealRequest({ config: key.config, suite, plaintext, provider });
    const failure = await whole(
      cut.openResponse(new Response(answer.slice(0, -17)).body as ReadableStream<Bytes>),
    ).then(
      () => 'none',
      (error: unknown) => (error instanceof Error && 'code' in error ? error.code : 'another'),
    );
    must(failure !== 'none', 'an answer of another exchange was opened');
  },

  /** Records of a response with fixed keys, as hex: the same octets in all runtimes. */
  async records(): Promise<string> {
    const secret = {
      suite: HYBRID_SUITE,
      enc: new Uint8Array(1120).fill(1),
      secret: new Uint8Array(32).fill(2),
    };
    const records = await deriveResponseRecords(provider, secret, new Uint8Array(32).fill(3));
    const first = await records.sealChunk(toUtf8('one'), false);
    return toHex(concat(first, await records.sealChunk(new Uint8Array(0), true)));
  },

  /** The vector of RFC 9180 for X25519, HKDF-SHA256, AES-128-GCM, opened by what this runtime offers. */
  async vector(vector: HpkeVector): Promise<void> {
    const suite = await provider.cipherSuite(X25519_SUITE);
    const privateKey = await suite.DeserializePrivateKey(fromHex(vector.skRm));
    const publicKey = await suite.DeserializePublicKey(fromHex(vector.pkRm));
    const context = await suite.SetupRecipient({ privateKey, publicKey }, fromHex(vector.enc), {
      info: fromHex(vector.info),
    });
    // The first three follow each other; the vector leaves numbers out after that.
    for (const { aad, pt, ct } of vector.encryptions.slice(0, 3))
      must(
        toHex((await context.Open(fromHex(ct), fromHex(aad))) as Bytes) === pt,
        'the vector came out as another',
      );
  },
};
