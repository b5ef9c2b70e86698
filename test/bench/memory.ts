// `node test/bench/memory.ts`: how resident memory grows from a body of 1 MiB to one of 1 GiB that is sealed and opened as it flows. Slow.
// What grows is garbage that waits: every chunk leaves buffers, and V8 counts only the small objects before them. With
// `--max-semi-space-size=1` it collects oftener: less than a megabyte is left of sixteen over node:crypto. Over WebCrypto some twenty
// remain, outside the array buffers and the heap.

import { nodeCryptoProvider } from '../../backend/keys/node-crypto-provider.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { openResponseStream } from '../../shared/sealing/open-response.ts';
import { makeResponseSealer } from '../../shared/sealing/response-sealer.ts';
import { HYBRID_SUITE } from '../../shared/sealing/suite.ts';
import { webCryptoProvider } from '../../shared/sealing/webcrypto-provider.ts';
import { MEDIA_TYPE } from '../../shared/wire/media-types.ts';

const MEBIBYTE = 2 ** 20;
const PIECE_OCTETS = 16 * 1024;
const SAMPLE_EVERY = 64;
const LARGEST_MEBIBYTES = 1024;
const secret = {
  suite: HYBRID_SUITE,
  enc: new Uint8Array(1120).fill(1),
  secret: new Uint8Array(32).fill(2),
};

interface Peak {
  resident: number;
  buffers: number;
}

const providers = { 'node:crypto': nodeCryptoProvider, WebCrypto: webCryptoProvider };
for (const [name, provider] of Object.entries(providers)) {
  // The first runs bring compiled code and stream machinery into memory; that is no growth with the body.
  for (let i = 0; i < 8; i++) await flow(16);
  const small = await flow(1);
  const large = await flow(LARGEST_MEBIBYTES);
  const growth = large.resident - small.resident;
  process.stdout.write(
    `${name}: resident ${mebibytes(small.resident)} at 1 MiB, ${mebibytes(large.resident)} at ${LARGEST_MEBIBYTES} MiB, ` +
      `growth ${mebibytes(growth)}; array buffers at most ${mebibytes(large.buffers)}\n`,
  );

  async function flow(bodyMebibytes: number): Promise<Peak> {
    const sealer = makeResponseSealer(MEDIA_TYPE.chunkedRequest, secret, nodeCryptoProvider, provider.random);
    const piece = new Uint8Array(PIECE_OCTETS).fill(65);
    let left = bodyMebibytes * MEBIBYTE;
    let started = false;
    const sealed = new ReadableStream<Bytes>(
      {
        async pull(controller) {
          if (!started) {
            started = true;
            controller.enqueue(sealer.start());
          } else if (left > 0) {
            left -= PIECE_OCTETS;
            controller.enqueue(await sealer.seal(piece));
          } else {
            controller.enqueue(await sealer.finish());
            controller.close();
          }
        },
      },
      { highWaterMark: 0 },
    );
    const peak: Peak = { resident: 0, buffers: 0 };
    const reader = openResponseStream(sealed, secret, provider).getReader();
    let octets = 0;
    for (let chunks = 0; ; chunks++) {
      const { done, value } = await reader.read();
      if (done) break;
      octets += value.length;
      if (chunks % SAMPLE_EVERY !== 0) continue;
      const { rss, arrayBuffers } = process.memoryUsage();
      peak.resident = Math.max(peak.resident, rss);
      peak.buffers = Math.max(peak.buffers, arrayBuffers);
    }
    if (octets !== bodyMebibytes * MEBIBYTE) throw new Error('the body came out shorter');
    return peak;
  }
}

function mebibytes(octets: number): string {
  return `${(octets / MEBIBYTE).toFixed(1)} MiB`;
}
