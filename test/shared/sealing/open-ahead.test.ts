// Chunks that arrive together are opened together where the provider takes turns; what comes out is the same.

import { describe, expect, it } from 'vitest';
import { nodeCryptoProvider } from '../../../backend/keys/node-crypto-provider.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { localProvider } from '../../../shared/sealing/local-provider.ts';
import { openResponseStream } from '../../../shared/sealing/open-response.ts';
import { deriveResponseRecords } from '../../../shared/sealing/response-keys.ts';
import { HYBRID_SUITE } from '../../../shared/sealing/suite.ts';
import { webCryptoProvider } from '../../../shared/sealing/webcrypto-provider.ts';
import { drain, streamOf } from './harness/streams.ts';

const CHUNKS = 40;
const secret = {
  suite: HYBRID_SUITE,
  enc: new Uint8Array(1120).fill(1),
  secret: new Uint8Array(32).fill(2),
};

async function answer(): Promise<{ nonce: Bytes; chunks: Bytes[] }> {
  const nonce = new Uint8Array(32).fill(3);
  const records = await deriveResponseRecords(nodeCryptoProvider, secret, nonce);
  const chunks: Bytes[] = [];
  for (let i = 0; i < CHUNKS; i++) chunks.push(await records.sealChunk(Uint8Array.of(i, i), false));
  chunks.push(await records.sealChunk(new Uint8Array(0), true));
  return { nonce, chunks };
}

describe.each([
  ['node:crypto', nodeCryptoProvider],
  ['WebCrypto', webCryptoProvider],
  ['local', localProvider],
])('an answer in one delivery, over %s', (_, provider) => {
  it('comes out in its order', async () => {
    const { nonce, chunks } = await answer();
    const { octets, deliveries, error } = await drain(
      openResponseStream(streamOf(concat(nonce, ...chunks)), secret, provider),
    );
    expect(error).toBeUndefined();
    expect(deliveries).toBe(CHUNKS);
    expect([...octets]).toEqual(Array.from({ length: 2 * CHUNKS }, (_, i) => i >> 1));
  });

  it.each([0, 1, 10, CHUNKS - 1])('gives what precedes a changed chunk %i, then open_failed', async (at) => {
    const { nonce, chunks } = await answer();
    const changed = chunks[at] as Bytes;
    changed[5] = (changed[5] as number) ^ 1;
    const { deliveries, error } = await drain(
      openResponseStream(streamOf(concat(nonce, ...chunks)), secret, provider),
    );
    expect(deliveries).toBe(at);
    expect(error).toMatchObject({ code: 'open_failed' });
  });

  it.each([3, 17])('gives what precedes a cut after %i chunks, then response_truncated', async (whole) => {
    const { nonce, chunks } = await answer();
    const { deliveries, error } = await drain(
      openResponseStream(streamOf(concat(nonce, ...chunks.slice(0, whole))), secret, provider),
    );
    expect(deliveries).toBe(whole);
    expect(error).toMatchObject({ code: 'response_truncated' });
  });
});
