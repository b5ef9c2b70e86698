// The sealing work of one exchange by us and by two packages of others, in whatever runtime loads this.

import { Aes256Gcm, CipherSuite, HkdfSha256 } from '@hpke/core';
import { XWing } from '@hpke/hybridkem-x-wing';
import { Identity } from 'ehbp';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { concat } from '../../shared/bytes/concat.ts';
import { generateGatewayKey } from '../../shared/sealing/gateway-key.ts';
import { receiveRequest } from '../../shared/sealing/open-request.ts';
import { openResponseStream } from '../../shared/sealing/open-response.ts';
import type { SealingProvider } from '../../shared/sealing/provider.ts';
import { deriveResponseRecords } from '../../shared/sealing/response-keys.ts';
import { sealRequest } from '../../shared/sealing/seal-request.ts';
import { HYBRID_SUITE } from '../../shared/sealing/suite.ts';
import { MEDIA_TYPE } from '../../shared/wire/media-types.ts';

/** Octets of the request. */
const REQUEST_OCTETS = 4096;
/** An answer's records, as a streamed completion has them. */
const RECORDS = 64;
const RECORD_OCTETS = 256;

const LABEL = new TextEncoder().encode('message/bhttp chunked response');

async function drain(stream: ReadableStream<Uint8Array>): Promise<number> {
  let octets = 0;
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) octets += next.value.length;
  return octets;
}

function streamOf(octets: Bytes): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(octets);
      controller.close();
    },
  });
}

/** Ours: post-quantum, chunked, with the answer's key exported. */
export async function ownContenders(provider: SealingProvider) {
  const suite = HYBRID_SUITE;
  const key = await generateGatewayKey({ keyId: 1, suites: [suite], provider });
  const plaintext = new Uint8Array(REQUEST_OCTETS).fill(65);
  const seal = async () => {
    const exchange = await sealRequest({ config: key.config, suite, plaintext, provider });
    return new Response(exchange.body).arrayBuffer();
  };
  const sealed = new Uint8Array(await seal());
  const secret = { suite, enc: provider.random(1120), secret: provider.random(32) };
  const nonce = provider.random(32);
  const records = await deriveResponseRecords(provider, secret, nonce);
  const parts: Bytes[] = [nonce];
  for (let i = 0; i < RECORDS; i++) parts.push(await records.sealChunk(new Uint8Array(RECORD_OCTETS), false));
  parts.push(await records.sealChunk(new Uint8Array(0), true));
  const answer = concat(...parts);
  return {
    seal,
    open: () =>
      receiveRequest({
        type: MEDIA_TYPE.chunkedRequest,
        body: streamOf(sealed),
        findKey: () => key,
        maxPlaintextBytes: 1 << 20,
        maxBodyBytes: 1 << 20,
        provider,
      }),
    answer: () => drain(openResponseStream(streamOf(answer), secret, provider)),
  };
}

/** The `ehbp` package: X25519 only, no authenticated end. It has a client's half and no server's. */
export async function ehbpContenders() {
  const identity = await Identity.generate();
  const body = new Uint8Array(REQUEST_OCTETS).fill(65);
  const encrypt = () =>
    identity.encryptRequestWithContext(new Request('https://peer.invalid/', { method: 'POST', body }));
  const { context } = await encrypt();
  if (context === null) throw new Error('no context for the answer');
  const responseNonce = new Uint8Array(32).fill(7);
  const answer = await ehbpAnswer(context, responseNonce);
  const headers = { 'ehbp-response-nonce': '07'.repeat(32) };
  return {
    seal: async () => (await encrypt()).request.arrayBuffer(),
    answer: async () => {
      const opened = await identity.decryptResponseWithContext(
        new Response(streamOf(answer), { headers }),
        context,
      );
      return drain(opened.body as ReadableStream<Uint8Array>);
    },
  };
}

async function ehbpAnswer(
  context: {
    senderContext: { Export(info: Uint8Array, octets: number): Promise<Uint8Array> };
    requestEnc: Uint8Array;
  },
  responseNonce: Uint8Array,
): Promise<Bytes> {
  const { deriveResponseKeys, encryptChunk } = await import('ehbp');
  const exported = await context.senderContext.Export(new TextEncoder().encode('ehbp response'), 32);
  const keys = await deriveResponseKeys(exported, context.requestEnc, responseNonce);
  const parts: Uint8Array[] = [];
  for (let i = 0; i < RECORDS; i++) {
    const record = await encryptChunk(keys, i, new Uint8Array(RECORD_OCTETS));
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, record.length);
    parts.push(length, record);
  }
  return concat(...parts);
}

/** `@hpke/core` with its X-Wing KEM: the same suite as ours, one message, the answer's secret exported. */
export async function hpkeCoreContenders() {
  const suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const pair = await suite.kem.generateKeyPair();
  const plaintext = new Uint8Array(REQUEST_OCTETS).fill(65).buffer;
  const seal = async () => {
    const sender = await suite.createSenderContext({ recipientPublicKey: pair.publicKey });
    const sealed = await sender.seal(plaintext);
    await sender.export(LABEL, 32);
    return { enc: sender.enc, sealed };
  };
  const { enc, sealed } = await seal();
  return {
    seal,
    open: async () => {
      const recipient = await suite.createRecipientContext({ recipientKey: pair.privateKey, enc });
      await recipient.open(sealed);
      return recipient.export(LABEL, 32);
    },
  };
}
