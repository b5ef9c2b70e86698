// Every rule of the chunk framing, in both directions: what breaks it, and the code that says so.

import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeCryptoProvider } from '../../../backend/keys/node-crypto-provider.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { equalBytes } from '../../../shared/bytes/equal.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { MAX_CHUNKS } from '../../../shared/sealing/chunk-framing.ts';
import type { GatewayKey } from '../../../shared/sealing/gateway-key.ts';
import { ResponseRecords } from '../../../shared/sealing/response-keys.ts';
import { sealChunks } from '../../../shared/sealing/seal-chunks.ts';
import { X25519_SUITE } from '../../../shared/sealing/suite.ts';
import { quickKey, receive, sealedRequest, sealedResponse, wire } from './harness/exchanges.ts';
import { codeOf, cutAt, drain, piecesOf, streamOf } from './harness/streams.ts';

const PIECES = ['a prompt', ', in three', ' pieces'].map(toUtf8);
const TEXT = concat(...PIECES);
// header 7, enc 32; response nonce 16.
const REQUEST_HEAD = 39;
const RESPONSE_HEAD = 16;

let key: GatewayKey;
let otherKey: GatewayKey;
beforeAll(async () => {
  key = await quickKey();
  otherKey = await quickKey();
});

/** How one direction opens a body: plaintext handed out before the end or the failure, and the code. */
interface Reading {
  readonly plaintext: Uint8Array;
  readonly code: string;
}

interface Subject {
  readonly octets: Bytes;
  readonly head: Bytes;
  readonly chunks: readonly Bytes[];
  read(...pieces: Uint8Array[]): Promise<Reading>;
}

async function request(): Promise<Subject> {
  const message = await sealedRequest(key, PIECES);
  return {
    ...message,
    octets: wire(message),
    async read(...pieces) {
      try {
        return { plaintext: (await receive(key, streamOf(...pieces))).plaintext, code: 'none' };
      } catch (error) {
        return { plaintext: new Uint8Array(0), code: await codeOf(Promise.reject(error)) };
      }
    },
  };
}

// A response context opens one body, so each reading of the same octets needs the same exchange again: tests hold the secret
// fixed by reading through a fresh exchange that was answered with the same pieces.
async function response(): Promise<Subject> {
  const message = await sealedResponse(key, PIECES);
  let used = false;
  return {
    ...message,
    octets: wire(message),
    async read(...pieces) {
      if (used) throw new Error('one reading for each response');
      used = true;
      const { octets, error } = await drain(message.exchange.openResponse(streamOf(...pieces)));
      return { plaintext: octets, code: error === undefined ? 'none' : await codeOf(Promise.reject(error)) };
    },
  };
}

const directions: ['request' | 'response', () => Promise<Subject>][] = [
  ['request', request],
  ['response', response],
];

describe.each(directions)('%s', (direction, make) => {
  const truncated = `${direction}_truncated`;
  const headOctets = direction === 'request' ? REQUEST_HEAD : RESPONSE_HEAD;

  it('opens when delivered whole, in single octets, and with empty deliveries between', async () => {
    const whole = await make();
    expect(await whole.read(whole.octets)).toEqual({ plaintext: TEXT, code: 'none' });
    const single = await make();
    expect(await single.read(...piecesOf(single.octets, 1))).toEqual({ plaintext: TEXT, code: 'none' });
    const empty = await make();
    const pieces = piecesOf(empty.octets, 5).flatMap((piece) => [new Uint8Array(0), piece]);
    expect(await empty.read(...pieces)).toEqual({ plaintext: TEXT, code: 'none' });
  });

  it('opens when split at every position', async () => {
    const { octets } = await make();
    for (let at = 0; at <= octets.length; at++) {
      const subject = await make();
      expect(await subject.read(subject.octets.subarray(0, at), subject.octets.subarray(at))).toEqual({
        plaintext: TEXT,
        code: 'none',
      });
    }
  });

  it('never ends cleanly when cut, at whatever octet', async () => {
    const { octets, chunks } = await make();
    const finalAt = octets.length - (chunks.at(-1)?.length ?? 0);
    for (let at = 0; at < octets.length; at++) {
      const subject = await make();
      const { plaintext, code } = await subject.read(subject.octets.subarray(0, at));
      expect([at, code]).toEqual([at, truncated]);
      // What was handed out is a genuine beginning.
      expect(equalBytes(plaintext, TEXT.subarray(0, plaintext.length))).toBe(true);
      if (at < headOctets || direction === 'request') expect(plaintext).toHaveLength(0);
      if (direction === 'response' && at >= finalAt) expect(plaintext).toEqual(TEXT);
    }
  });

  it('survives any splitting', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(140), { maxLength: 12 }), async (places) => {
        const subject = await make();
        expect(await subject.read(...cutAt(subject.octets, places))).toEqual({
          plaintext: TEXT,
          code: 'none',
        });
      }),
      { numRuns: 60 },
    );
  });

  const swapped: [string, (c: readonly Bytes[]) => Bytes[]][] = [
    ['two chunks exchanged', ([a, b, c, f]) => [b, a, c, f] as Bytes[]],
    ['the first chunk dropped', ([, b, c, f]) => [b, c, f] as Bytes[]],
    ['a chunk in the middle dropped', ([a, , c, f]) => [a, c, f] as Bytes[]],
    ['the chunk before the final one dropped', ([a, b, , f]) => [a, b, f] as Bytes[]],
    ['a chunk repeated', ([a, b, c, f]) => [a, a, b, c, f] as Bytes[]],
    ['everything but the final chunk dropped', ([, , , f]) => [f] as Bytes[]],
    ['a non-final chunk marked as final', ([a, b, c]) => [a, b, mark(c as Bytes)] as Bytes[]],
    ['the first chunk alone, marked as final', ([a]) => [mark(a as Bytes)]],
    ['an octet after the final chunk', ([a, b, c, f]) => [a, b, c, f, Uint8Array.of(0)] as Bytes[]],
  ];
  const mark = (chunk: Bytes): Bytes => concat(Uint8Array.of(0), chunk.subarray(1));

  it.each(swapped)('refuses %s', async (_, change) => {
    const subject = await make();
    const { code, plaintext } = await subject.read(subject.head, ...change(subject.chunks));
    expect(code).toBe('open_failed');
    expect(equalBytes(plaintext, TEXT.subarray(0, plaintext.length))).toBe(true);
  });

  it('refuses a final chunk with content that is marked as non-final', async () => {
    const subject = await make();
    // The final chunk of these messages is empty, so as non-final it breaks the emptiness rule before any key is used.
    const final = subject.chunks.at(-1) as Bytes;
    const { code } = await subject.read(
      subject.head,
      ...subject.chunks.slice(0, -1),
      concat(Uint8Array.of(final.length - 1), final.subarray(1)),
    );
    expect(code).toBe('chunk_empty');
  });

  it('refuses a chunk of another message', async () => {
    const other = await make();
    for (const foreign of [0, 3]) {
      const subject = await make();
      const chunks = subject.chunks.map((own, i) => (i === foreign ? (other.chunks[i] as Bytes) : own));
      expect((await subject.read(subject.head, ...chunks)).code).toBe('open_failed');
    }
  });

  it('notices every flipped bit behind the header', async () => {
    const { octets } = await make();
    for (let at = direction === 'request' ? 7 : 0; at < octets.length; at++) {
      const subject = await make();
      const changed = subject.octets.slice();
      changed[at] = (changed[at] as number) ^ (1 << (at % 8));
      const { code, plaintext } = await subject.read(changed);
      expect(['open_failed', truncated, 'chunk_empty', 'chunk_too_large']).toContain(code);
      expect(equalBytes(plaintext, TEXT.subarray(0, plaintext.length))).toBe(true);
    }
  });

  const prefixes: [string, number[], string][] = [
    ['no chunk at all', [], truncated],
    ['half a length', [0x40], truncated],
    ['half of an eight-octet length', [0xc0, 0, 0, 0, 0], truncated],
    ['a non-final chunk of one octet', [1, 7], 'chunk_empty'],
    ['a non-final chunk that is a tag only', [16, ...new Array<number>(16).fill(7)], 'chunk_empty'],
    ['the same with a non-minimal length', [0x80, 0, 0, 16], 'chunk_empty'],
    ['a length one above the largest chunk, nothing behind it', [0x80, 0, 0x40, 0x11], 'chunk_too_large'],
    ['a length of a gigabyte, nothing behind it', [0xc0, 0, 0, 0, 0x40, 0, 0, 0], 'chunk_too_large'],
    ['the largest length there is', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 'chunk_too_large'],
    ['the largest chunk announced, and cut', [0x80, 0, 0x40, 0x10, 1, 2, 3], truncated],
    ['a final chunk without octets', [0], truncated],
    ['a final chunk shorter than a tag', [0, ...new Array<number>(15).fill(7)], truncated],
    ['a final chunk that is no tag of ours', [0, ...new Array<number>(16).fill(7)], 'open_failed'],
    ['a zero in eight octets, then too little', [0xc0, 0, 0, 0, 0, 0, 0, 0, 1], truncated],
    ['a final chunk above the largest', [0, ...new Array<number>(16401).fill(7)], 'chunk_too_large'],
  ];
  it.each(prefixes)('refuses %s', async (_, octets, code) => {
    const subject = await make();
    expect((await subject.read(subject.head, Uint8Array.from(octets))).code).toBe(code);
  });

  it('refuses an oversized length before it waits for the chunk', async () => {
    const subject = await make();
    let pulls = 0;
    const endless = new ReadableStream<Bytes>(
      {
        pull(controller) {
          controller.enqueue(
            pulls++ === 0
              ? concat(subject.head, Uint8Array.of(0x80, 0xff, 0xff, 0xff))
              : new Uint8Array(65536),
          );
        },
      },
      { highWaterMark: 0 },
    );
    const attempt =
      direction === 'request'
        ? receive(key, endless)
        : drain((await sealedResponse(key, PIECES)).exchange.openResponse(endless)).then(({ error }) =>
            Promise.reject(error),
          );
    expect(await codeOf(attempt)).toBe('chunk_too_large');
    expect(pulls).toBe(1);
  });
});

describe('request header', () => {
  const change = (octets: Bytes, at: number, ...values: number[]): Bytes => {
    const changed = octets.slice();
    changed.set(values, at);
    return changed;
  };

  const headers: [string, (octets: Bytes) => Bytes, string][] = [
    ['another key id', (o) => change(o, 0, 1), 'key_unknown'],
    ['another KEM', (o) => change(o, 1, 0x64, 0x7a), 'suite_unsupported'],
    ['an unknown KEM', (o) => change(o, 1, 0x12, 0x34), 'suite_unsupported'],
    ['another KDF', (o) => change(o, 3, 0, 3), 'suite_unsupported'],
    ['another AEAD', (o) => change(o, 5, 0, 2), 'suite_unsupported'],
    ['an all-zero share', (o) => change(o, 7, ...new Array<number>(32).fill(0)), 'request_malformed'],
    ['a share of low order', (o) => change(o, 7, 1, ...new Array<number>(31).fill(0)), 'open_failed'],
  ];
  it.each(headers)('refuses %s', async (_, edit, code) => {
    const message = await sealedRequest(key, PIECES);
    expect(await codeOf(receive(key, edit(wire(message))))).toBe(code);
  });

  it('refuses before any public-key work, and lets the reservation decide the rest', async () => {
    const octets = wire(await sealedRequest(key, PIECES));
    const seen: string[] = [];
    const beforeDecapsulation = (enc: Bytes) => {
      seen.push(`${enc.length}`);
      throw new RangeError('seen before');
    };
    await expect(receive(key, octets, { beforeDecapsulation })).rejects.toThrow(RangeError);
    expect(seen).toEqual(['32']);
    expect(await codeOf(receive(key, change(octets, 0, 1), { beforeDecapsulation }))).toBe('key_unknown');
    expect(await codeOf(receive(key, octets.subarray(0, 38), { beforeDecapsulation }))).toBe(
      'request_truncated',
    );
    expect(seen).toEqual(['32']);
  });

  it('refuses a request that was sealed to another key of the same id', async () => {
    expect(await codeOf(receive(otherKey, wire(await sealedRequest(key, PIECES))))).toBe('open_failed');
  });

  it('refuses more plaintext or a larger body than the caller takes', async () => {
    const octets = wire(await sealedRequest(key, PIECES));
    const exact = await receive(key, octets, { maxPlaintextBytes: TEXT.length, maxBodyBytes: octets.length });
    expect(exact.plaintext).toEqual(TEXT);
    expect(await codeOf(receive(key, octets, { maxPlaintextBytes: TEXT.length - 1 }))).toBe(
      'request_too_large',
    );
    expect(await codeOf(receive(key, octets, { maxBodyBytes: octets.length - 1 }))).toBe('request_too_large');
    expect(
      await codeOf(receive(key, streamOf(...piecesOf(octets, 1)), { maxBodyBytes: octets.length - 1 })),
    ).toBe('request_too_large');
  });
});

describe('the limit of chunks under one key', () => {
  it('ends a request before it is passed', async () => {
    const context = await senderContext();
    const pieces = [1, 2, 3].map((octet) => Uint8Array.of(octet));
    const within = sealChunks(context, new Uint8Array(0), streamOf(...pieces), 4);
    expect((await drain(within)).octets).toHaveLength(3 * 18 + 17);
    const beyond = sealChunks(await senderContext(), new Uint8Array(0), streamOf(...pieces), 3);
    expect(await codeOf(beyond)).toBe('chunk_limit');
  });

  it('ends a response before it is passed', async () => {
    const recordKey = await nodeCryptoProvider.importRecordKey(1, new Uint8Array(16));
    const records = new ResponseRecords(recordKey, new Uint8Array(12), 2);
    await records.sealChunk(Uint8Array.of(1), false);
    await records.sealChunk(Uint8Array.of(2), false);
    expect(await codeOf(async () => records.sealChunk(Uint8Array.of(3), true))).toBe('chunk_limit');
    expect(await codeOf(async () => records.openChunk(new Uint8Array(17), false))).toBe('chunk_limit');
  });

  it('keeps counters below what the nonce can count', () => {
    expect(MAX_CHUNKS).toBeLessThanOrEqual(2 ** 24.5);
  });

  async function senderContext() {
    const suite = await nodeCryptoProvider.cipherSuite(X25519_SUITE);
    const publicKey = await suite.DeserializePublicKey(key.config.publicKey);
    return (await suite.SetupSender(publicKey)).ctx;
  }
});

describe('whatever the octets', () => {
  it('a request or a response fails with a code, or opens to what was sealed', async () => {
    const message = wire(await sealedRequest(key, PIECES));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(message.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.uint8Array({ maxLength: 20 }),
        async (changes, tail) => {
          const octets = concat(message, tail);
          for (const [at, value] of changes) octets[at] = value;
          const code = await codeOf(receive(key, octets));
          if (code === 'none') expect(octets).toEqual(message);
          else expect(CODES).toContain(code);
          const { exchange } = await sealedResponse(key, []);
          const { octets: plaintext, error } = await drain(exchange.openResponse(streamOf(octets)));
          expect(CODES).toContain(await codeOf(Promise.reject(error)));
          expect(plaintext).toHaveLength(0);
        },
      ),
      { numRuns: 150 },
    );
  });

  const CODES = [
    'key_unknown',
    'suite_unsupported',
    'request_malformed',
    'request_truncated',
    'response_truncated',
    'chunk_too_large',
    'chunk_empty',
    'open_failed',
  ];
});
