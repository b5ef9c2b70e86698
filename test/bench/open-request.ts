// Opening a 4 KiB request against the sum of its primitives called bare through node:crypto.

import {
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  randomBytes,
} from 'node:crypto';
import { nodeCryptoProvider } from '../../backend/keys/node-crypto-provider.ts';
import { importX25519Public } from '../../backend/keys/node-x25519.ts';
import { generateGatewayKey } from '../../shared/sealing/gateway-key.ts';
import { receiveRequest } from '../../shared/sealing/open-request.ts';
import { sealRequest } from '../../shared/sealing/seal-request.ts';
import { HYBRID_SUITE, isPostQuantum, type Suite, X25519_SUITE } from '../../shared/sealing/suite.ts';
import { MEDIA_TYPE } from '../../shared/wire/media-types.ts';
import { type FigureGroup, figure, measure, repeat, repeatAsync } from './measure.ts';

const REQUEST_OCTETS = 4096;

/** Figures `open-4k-…`. */
export const openRequestFigures: FigureGroup = async function* () {
  for (const [name, suite] of [
    ['open-4k-hybrid', HYBRID_SUITE],
    ['open-4k-x25519', X25519_SUITE],
  ] as const) {
    const took = await measure({ ours: repeatAsync(await opener(suite)), bare: repeat(bareOpener(suite)) });
    yield figure(name, took.ours, 'µs', took.bare);
  }
};

async function opener(suite: Suite): Promise<() => Promise<unknown>> {
  const key = await generateGatewayKey({ keyId: 1, suites: [suite], provider: nodeCryptoProvider });
  const exchange = await sealRequest({
    config: key.config,
    suite,
    plaintext: new Uint8Array(REQUEST_OCTETS),
    provider: nodeCryptoProvider,
  });
  const octets = await new Response(exchange.body).bytes();
  return () =>
    receiveRequest({
      type: MEDIA_TYPE.chunkedRequest,
      body: new Response(octets).body as ReadableStream<Uint8Array>,
      findKey: () => key,
      maxPlaintextBytes: 1 << 20,
      maxBodyBytes: 1 << 20,
      provider: nodeCryptoProvider,
    });
}

/** The primitives that the suite cannot do without, on keys that are ready, with nothing between them. */
function bareOpener(suite: Suite): () => void {
  const hybrid = isPostQuantum(suite);
  const own = generateKeyPairSync('x25519').privateKey;
  const spki = generateKeyPairSync('x25519').publicKey.export({ format: 'der', type: 'spki' });
  const share = spki.subarray(12);
  const mlkem = generateKeyPairSync('ml-kem-768');
  const { ciphertext } = encapsulate(mlkem.publicKey);
  const mac = createSecretKey(randomBytes(32));
  const macInput = randomBytes(64);
  // Key schedule: Extract of info, of the empty pre-shared key and of the secret; Expand of key, nonce and exporter secret;
  // the export. DHKEM adds one of each (RFC 9180 sections 4.1 and 5.1).
  const hmacs = hybrid ? 7 : 9;
  const name = hybrid ? 'aes-256-gcm' : 'aes-128-gcm';
  const key = createSecretKey(randomBytes(hybrid ? 32 : 16));
  const nonce = randomBytes(12);
  const sealed = randomBytes(REQUEST_OCTETS);
  const tag = randomBytes(16);
  return () => {
    if (hybrid) {
      decapsulate(mlkem.privateKey, ciphertext);
      createHash('sha3-256').update(macInput).update(macInput).digest();
    }
    diffieHellman({ privateKey: own, publicKey: importX25519Public(share) });
    for (let i = 0; i < hmacs; i++) createHmac('sha256', mac).update(macInput).digest();
    const decipher = createDecipheriv(name, key, nonce);
    decipher.setAuthTag(tag);
    decipher.update(sealed);
  };
}
