// The official vectors through our own code: HPKE, its post-quantum KEM, OHTTP and chunked OHTTP.

import { AEAD_ChaCha20Poly1305, CipherSuite, type Key } from 'hpke';
import { describe, expect, it } from 'vitest';
import { nodeCryptoProvider } from '../../../backend/keys/node-crypto-provider.ts';
import { nodeHkdfSha256 } from '../../../backend/keys/node-hkdf.ts';
import { nodeHybridKem } from '../../../backend/keys/node-hybrid-kem.ts';
import { fromHex, toHex } from '../../../shared/bytes/hex.ts';
import { generateGatewayKey } from '../../../shared/sealing/gateway-key.ts';
import { encodeKeyConfigList, parseKeyConfigList } from '../../../shared/sealing/key-config.ts';
import { receiveRequest } from '../../../shared/sealing/open-request.ts';
import type { SealingProvider } from '../../../shared/sealing/provider.ts';
import { sealRequest } from '../../../shared/sealing/seal-request.ts';
import { X25519_SUITE } from '../../../shared/sealing/suite.ts';
import { webCryptoProvider } from '../../../shared/sealing/webcrypto-provider.ts';
import { MEDIA_TYPE } from '../../../shared/wire/media-types.ts';
import { haveVectors, readVectorJson } from '../../harness/vectors.ts';
import { knownKeyProvider } from './harness/known-keys.ts';
import { collect, drain, streamOf } from './harness/streams.ts';

interface HpkeVector {
  mode: number;
  kem_id: number;
  kdf_id: number;
  aead_id: number;
  info: string;
  ikmR: string;
  skRm: string;
  pkRm: string;
  enc: string;
  shared_secret: string;
  encryptions: { seq?: number; pt: string; aad: string; ct: string }[];
  exports: { exporter_context: string; L: number; exported_value: string }[];
}

interface OhttpVector {
  skR: string;
  skE: string;
  keyConfig: string;
  request: string;
  enc: string;
  encapsulatedRequest: string;
  response: string;
  encapsulatedResponse: string;
  responseNonce: string;
  requestChunks: { plaintext: string; wire: string; final: boolean }[];
  responseChunks: { plaintext: string; wire: string; final: boolean }[];
}

const when = haveVectors ? describe : describe.skip;
const absent = haveVectors ? '' : ' (skipped: vectors absent)';
const load = <T>(path: string, none: T): T => (haveVectors ? readVectorJson<T>(path) : none);

async function checkHpke(suite: CipherSuite<Key>, vector: HpkeVector): Promise<void> {
  const pair = await suite.DeriveKeyPair(fromHex(vector.ikmR), true);
  expect(toHex(await suite.SerializePrivateKey(pair.privateKey as Key))).toBe(vector.skRm);
  expect(toHex(await suite.SerializePublicKey(pair.publicKey as Key))).toBe(vector.pkRm);
  const privateKey = await suite.DeserializePrivateKey(fromHex(vector.skRm));
  const publicKey = await suite.DeserializePublicKey(fromHex(vector.pkRm));
  const context = await suite.SetupRecipient({ privateKey, publicKey }, fromHex(vector.enc), {
    info: fromHex(vector.info),
  });
  for (const [i, { seq, pt, aad, ct }] of vector.encryptions.entries()) {
    // Sequence numbers with gaps need chunks that the vector does not give.
    if ((seq ?? i) !== context.seq) break;
    expect(toHex(await context.Open(fromHex(ct), fromHex(aad)))).toBe(pt);
  }
  expect(context.seq).toBeGreaterThan(2);
  for (const { exporter_context, L, exported_value } of vector.exports)
    expect(toHex(await context.Export(fromHex(exporter_context), L))).toBe(exported_value);
}

when(`HPKE vectors${absent}`, () => {
  const classical = load<HpkeVector[]>('hpke/rfc9180-base-psk.json', []).filter(
    (v) => v.mode === 0 && v.kem_id === 0x20 && v.kdf_id === 1 && v.aead_id === 1,
  );
  const hybrid = load<HpkeVector[]>('hpke-pq/test-vectors.json', []).filter(
    (v) => v.kem_id === 0x647a && v.kdf_id === 1,
  );
  const providers: [string, SealingProvider][] = [
    ['node:crypto', nodeCryptoProvider],
    ['WebCrypto', webCryptoProvider],
  ];

  it.each(providers)('RFC 9180 X25519, AES-128-GCM over %s', async (_, provider) => {
    expect(classical).toHaveLength(1);
    for (const vector of classical) await checkHpke(await provider.cipherSuite(X25519_SUITE), vector);
  });

  it('hpke-pq MLKEM768-X25519 over node:crypto (with the AEAD of the vector)', async () => {
    expect(hybrid).toHaveLength(1);
    for (const vector of hybrid)
      await checkHpke(new CipherSuite<Key>(nodeHybridKem, nodeHkdfSha256, AEAD_ChaCha20Poly1305), vector);
  });

  it('X-Wing: key and decapsulation over node:crypto', async () => {
    const vectors = load<{ sk: string; pk: string; ct: string; ss: string }[]>(
      'x-wing/test-vectors.json',
      [],
    );
    expect(vectors).toHaveLength(3);
    const kem = nodeHybridKem();
    for (const { sk, pk, ct, ss } of vectors) {
      const key = await kem.DeserializePrivateKey(fromHex(sk), false);
      expect(toHex(await kem.SerializePublicKey(key))).toBe(pk);
      expect(toHex(await kem.Decap(fromHex(ct), key, undefined))).toBe(ss);
    }
  });
});

when(`OHTTP vectors${absent}`, () => {
  const chunked = () => readVectorJson<OhttpVector>('chunked-ohttp/draft-08-appendix.json');
  const whole = () => readVectorJson<OhttpVector>('ohttp/rfc9458-appendix-a.json');

  async function vectorKey(provider: SealingProvider) {
    return generateGatewayKey({ keyId: 1, suites: [X25519_SUITE], provider });
  }

  it.each([
    ['RFC 9458', whole],
    ['chunked draft-08', chunked],
  ])('%s: the key configuration parses and comes back octet for octet', (_, vector) => {
    const octets = fromHex(vector().keyConfig);
    const list = Uint8Array.of(0, octets.length, ...octets);
    const [config] = parseKeyConfigList(list);
    expect(config?.keyId).toBe(1);
    expect(config?.kemId).toBe(0x20);
    expect(config?.algorithms).toEqual([
      { kdfId: 1, aeadId: 1 },
      { kdfId: 1, aeadId: 3 },
    ]);
    expect(encodeKeyConfigList(config === undefined ? [] : [config])).toEqual(list);
  });

  it('chunked draft-08: our client writes the request and opens the response', async () => {
    const vector = chunked();
    const provider = knownKeyProvider({ recipient: fromHex(vector.skR), ephemeral: fromHex(vector.skE) });
    const key = await vectorKey(provider);
    const pieces = vector.requestChunks.filter((c) => !c.final).map((c) => fromHex(c.plaintext));
    const exchange = await sealRequest({
      config: key.config,
      suite: X25519_SUITE,
      plaintext: streamOf(...pieces),
      provider,
    });
    expect(toHex(await collect(exchange.body))).toBe(vector.encapsulatedRequest);
    const opened = await drain(exchange.openResponse(streamOf(fromHex(vector.encapsulatedResponse))));
    expect(opened.error).toBeUndefined();
    expect(toHex(opened.octets)).toBe(vector.response);
  });

  it('chunked draft-08: our gateway opens the request and writes the response', async () => {
    const vector = chunked();
    const provider = knownKeyProvider({ recipient: fromHex(vector.skR) });
    const key = await vectorKey(provider);
    const received = await receiveRequest({
      type: MEDIA_TYPE.chunkedRequest,
      body: streamOf(fromHex(vector.encapsulatedRequest)),
      findKey: () => key,
      maxPlaintextBytes: 1000,
      maxBodyBytes: 1000,
      provider,
    });
    expect(toHex(received.plaintext)).toBe(vector.request);
    expect(toHex(received.enc)).toBe(vector.enc);
    const sealer = received.respond(() => fromHex(vector.responseNonce));
    expect(sealer.contentType).toBe('message/ohttp-chunked-res');
    let wire = toHex(sealer.start());
    for (const { plaintext, final } of vector.responseChunks)
      wire += toHex(await (final ? sealer.finish() : sealer.seal(fromHex(plaintext))));
    expect(wire).toBe(vector.encapsulatedResponse);
  });

  it('RFC 9458: our gateway opens the request and writes the response', async () => {
    const vector = whole();
    const provider = knownKeyProvider({ recipient: fromHex(vector.skR) });
    const key = await vectorKey(provider);
    const received = await receiveRequest({
      type: MEDIA_TYPE.request,
      body: streamOf(fromHex(vector.encapsulatedRequest)),
      findKey: () => key,
      maxPlaintextBytes: 1000,
      maxBodyBytes: 1000,
      provider,
    });
    expect(toHex(received.plaintext)).toBe(vector.request);
    const nonce = fromHex(vector.encapsulatedResponse.slice(0, 32));
    const sealer = received.respond(() => nonce);
    expect(sealer.contentType).toBe('message/ohttp-res');
    expect(sealer.start()).toHaveLength(0);
    expect(await sealer.seal(fromHex(vector.response))).toHaveLength(0);
    expect(toHex(await sealer.finish())).toBe(vector.encapsulatedResponse);
  });
});
