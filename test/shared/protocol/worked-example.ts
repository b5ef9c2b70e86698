// The worked example of shared/PROTOCOL.md, computed: fixed keys and fixed randomness in, the octets of every step out.

import { nodeCryptoProvider } from '../../../backend/keys/node-crypto-provider.ts';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { sha256 } from '../../../shared/bytes/digest.ts';
import { fromUtf8, toUtf8 } from '../../../shared/bytes/utf8.ts';
import { coreDigest, encodeCore } from '../../../shared/evidence/node-core.ts';
import { encodeStatement, reportDataOf } from '../../../shared/evidence/node-statement.ts';
import { encodeBhttpRequest } from '../../../shared/sealing/bhttp-request.ts';
import { BhttpResponseWriter } from '../../../shared/sealing/bhttp-response-writer.ts';
import { generateGatewayKey } from '../../../shared/sealing/gateway-key.ts';
import { encodeKeyConfigList } from '../../../shared/sealing/key-config.ts';
import { receiveRequest } from '../../../shared/sealing/open-request.ts';
import { sealRequest } from '../../../shared/sealing/seal-request.ts';
import { X25519_SUITE } from '../../../shared/sealing/suite.ts';
import { MEDIA_TYPE } from '../../../shared/wire/media-types.ts';
import { knownKeyProvider } from '../sealing/harness/known-keys.ts';
import { computeManifestExample } from './manifest-example.ts';
import { computeResultExample } from './result-example.ts';

const counting = (octets: number, from: number): Bytes =>
  Uint8Array.from({ length: octets }, (_, i) => (from + i) & 0xff);
const NOT_BEFORE = new Date('2027-01-01T00:00:00Z');
const NOT_AFTER = new Date('2027-01-01T02:00:00Z');
const KEY_ID = 7;

/** A step of the example: a name, and octets shown as hex or text shown as it is. */
export type Block = { readonly name: string } & ({ readonly octets: Bytes } | { readonly text: string });

/** Every block of the example in the order of the document. */
export async function computeWorkedExample(): Promise<readonly Block[]> {
  const recipient = counting(32, 0x10);
  const ephemeral = counting(32, 0x80);
  const provider = knownKeyProvider({ recipient, ephemeral });
  const key = await generateGatewayKey({ keyId: KEY_ID, suites: [X25519_SUITE], provider });
  const keyList = encodeKeyConfigList([key.config]);

  const core = encodeCore({
    version: 1,
    node: counting(16, 0x40),
    role: 'all',
    ohttpKeys: keyList,
    receiptKey: counting(32, 0x50),
    manifestDigest: counting(32, 0x60),
    deploymentDigest: counting(32, 0x70),
    probeDigest: counting(32, 0x90),
    surface: { routes: ['POST /v1/chat/completions'], features: ['streaming'], egress: 'none' },
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
  });
  const digest = await coreDigest(core);
  const statement = encodeStatement({
    version: 1,
    core,
    freshness: { kind: 'epoch', value: counting(32, 0xa0) },
    devices: [],
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
  });

  const request = encodeBhttpRequest({
    method: 'POST',
    scheme: 'https',
    authority: 'engine.invalid',
    path: '/v1/chat/completions',
    headers: [
      ['content-type', 'application/json'],
      ['date', 'Fri, 01 Jan 2027 00:30:00 GMT'],
      ['cloister-attestation', toBase64url(digest)],
      ['cloister-session', toBase64url(counting(32, 0xb0))],
    ],
    body: toUtf8('{"model":"m","messages":[]}'),
  });
  const exchange = await sealRequest({
    config: key.config,
    suite: X25519_SUITE,
    plaintext: request,
    provider,
  });
  const sealed = await collect(exchange.body);

  const received = await receiveRequest({
    type: MEDIA_TYPE.chunkedRequest,
    body: new Blob([sealed]).stream(),
    findKey: () => key,
    maxPlaintextBytes: 4096,
    maxBodyBytes: 4096,
    provider: nodeCryptoProvider,
  });
  const nonce = counting(16, 0xc0);
  const sealer = received.respond(() => nonce);
  const writer = new BhttpResponseWriter();
  const pieces = [
    writer.informational(102),
    writer.head(200, [['content-type', 'text/event-stream']]),
    writer.content(toUtf8('data: [DONE]\n\n')),
    writer.end(),
  ];
  const chunks = [sealer.start()];
  for (const piece of pieces) chunks.push(await sealer.seal(piece));
  chunks.push(await sealer.finish());

  return [
    { name: 'gateway private key (X25519)', octets: recipient },
    { name: 'ohttp-keys', octets: keyList },
    { name: 'cloister-key', text: toBase64url(await sha256(key.config.encoded)) },
    { name: 'core', text: fromUtf8(core) },
    { name: 'core digest', octets: digest },
    { name: 'statement', text: fromUtf8(statement) },
    { name: 'report_data', octets: await reportDataOf(statement) },
    { name: 'ephemeral private key (X25519)', octets: ephemeral },
    { name: 'binary request', octets: request },
    { name: 'encapsulated request', octets: sealed },
    { name: 'response nonce', octets: nonce },
    { name: 'binary response', octets: concat(...pieces) },
    { name: 'encapsulated response', octets: concat(...chunks) },
    ...(await computeResultExample({ coreDigest: digest, core, keyList })),
    ...(await computeManifestExample(counting)),
  ];
}

async function collect(stream: ReadableStream<Bytes>): Promise<Bytes> {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
