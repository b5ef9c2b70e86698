// Whole exchanges: every pair of providers, a foreign implementation, single use, erasure, flow of data, failure of either side.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeCryptoProvider } from '../../../backend/keys/node-crypto-provider.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { fromUtf8, toUtf8 } from '../../../shared/bytes/utf8.ts';
import { generateGatewayKey } from '../../../shared/sealing/gateway-key.ts';
import { makeKeyConfig } from '../../../shared/sealing/key-config.ts';
import { localProvider } from '../../../shared/sealing/local-provider.ts';
import type { SealingProvider } from '../../../shared/sealing/provider.ts';
import { sealRequest } from '../../../shared/sealing/seal-request.ts';
import { SealingError } from '../../../shared/sealing/sealing-error.ts';
import { HYBRID_SUITE, SUITES, type Suite, X25519_SUITE } from '../../../shared/sealing/suite.ts';
import { webCryptoProvider } from '../../../shared/sealing/webcrypto-provider.ts';
import { MEDIA_TYPE } from '../../../shared/wire/media-types.ts';
import { KEY_ID, quickKey, receive, sealedRequest, sealedResponse, wire } from './harness/exchanges.ts';
import { openIndependently } from './harness/independent-ohttp.ts';
import { knownKeyProvider } from './harness/known-keys.ts';
import { nobleProvider } from './harness/noble-provider.ts';
import { codeOf, collect, drain, streamOf } from './harness/streams.ts';

const PROVIDERS: [string, SealingProvider][] = [
  ['node:crypto', nodeCryptoProvider],
  ['WebCrypto', webCryptoProvider],
  ['noble', nobleProvider],
  ['local', localProvider],
];
const suiteName = (suite: Suite) => `${suite.kemId.toString(16)}/${suite.aeadId}`;

describe('providers', () => {
  const pairs = PROVIDERS.flatMap(([client, c]) =>
    PROVIDERS.flatMap(([gateway, g]) =>
      SUITES.map((suite) => [suiteName(suite), client, gateway, suite, c, g] as const),
    ),
  );

  it.each(pairs)('%s: a %s client and a %s gateway', async (_s, _c, _g, suite, client, gateway) => {
    const key = await generateGatewayKey({ keyId: KEY_ID, suites: [suite], provider: gateway });
    const prompt = new Uint8Array(20_000).fill(7);
    const exchange = await sealRequest({
      config: key.config,
      suite,
      plaintext: streamOf(prompt),
      provider: client,
    });
    const received = await receive(key, exchange.body, { provider: gateway });
    expect(received.plaintext).toEqual(prompt);
    expect(received.suite).toEqual(suite);
    const sealer = received.respond(gateway.random);
    const answer = [sealer.start(), sealer.seal(toUtf8('one')), sealer.seal(prompt), sealer.finish()];
    const opened = await collect(exchange.openResponse(streamOf(...(await Promise.all(answer)))));
    expect(opened).toEqual(concat(toUtf8('one'), prompt));
  });

  it('agree on HKDF and on every record', async () => {
    const secret = new Uint8Array(32).fill(5);
    const nonce = new Uint8Array(12).fill(6);
    const [node, web] = [nodeCryptoProvider, webCryptoProvider];
    // Here that is node:crypto's records, which answer at once.
    expect(localProvider.importRecordKey(2, secret)).not.toBeInstanceOf(Promise);
    expect(await web.extract(nonce, secret)).toEqual(await node.extract(nonce, secret));
    expect(await web.expand(secret, nonce, 20)).toEqual(await node.expand(secret, nonce, 20));
    expect(localProvider.extract(nonce, secret)).toEqual(node.extract(nonce, secret));
    expect(localProvider.expand(secret, nonce, 20)).toEqual(node.expand(secret, nonce, 20));
    for (const aeadId of [1, 2]) {
      const raw = secret.slice(0, 16 * aeadId);
      const [a, b] = [await node.importRecordKey(aeadId, raw), await web.importRecordKey(aeadId, raw)];
      for (const [aad, text] of [
        ['', ''],
        ['final', 'x'],
        ['', 'more'],
      ].map(([x, y]) => [toUtf8(x ?? ''), toUtf8(y ?? '')])) {
        const [nodeSealed, webSealed] = [
          await a.seal(nonce, nonce, aad as Bytes, text as Bytes),
          await b.seal(nonce, nonce, aad as Bytes, text as Bytes),
        ];
        expect(webSealed).toEqual(nodeSealed);
        expect(await a.open(nonce, aad as Bytes, webSealed.subarray(12))).toEqual(text);
        expect(await b.open(nonce, aad as Bytes, nodeSealed.subarray(12))).toEqual(text);
        const forged = webSealed.slice(12);
        forged[0] = (forged[0] as number) ^ 1;
        for (const key of [a, b]) {
          expect(await codeOf(async () => key.open(nonce, aad as Bytes, forged))).toBe('open_failed');
          expect(await codeOf(async () => key.open(nonce, aad as Bytes, forged.subarray(0, 9)))).toBe(
            'open_failed',
          );
        }
      }
    }
  });

  it.each(PROVIDERS)('%s refuses a suite outside the profile', async (_, provider) => {
    const foreign = { ...X25519_SUITE, aeadId: 3 };
    expect(await codeOf(async () => provider.cipherSuite(foreign))).toBe('suite_unsupported');
    const mixed = generateGatewayKey({ keyId: 1, suites: [X25519_SUITE, HYBRID_SUITE], provider });
    expect(await codeOf(mixed)).toBe('suite_unsupported');
    expect(await codeOf(generateGatewayKey({ keyId: 1, suites: [], provider }))).toBe('suite_unsupported');
    expect(await codeOf(generateGatewayKey({ keyId: 256, suites: [X25519_SUITE], provider }))).toBe(
      'key_config_malformed',
    );
  });

  it.each(PROVIDERS)('%s refuses public keys that are none', async (_, provider) => {
    const algorithms = [{ kdfId: 1, aeadId: 1 }];
    const lowOrder = new Uint8Array(32);
    lowOrder[0] = 1;
    const classical = makeKeyConfig({ keyId: 1, kemId: 0x20, publicKey: lowOrder, algorithms });
    const attempt = (config: typeof classical, suite: Suite) =>
      codeOf(sealRequest({ config, suite, plaintext: new Uint8Array(1), provider }));
    expect(await attempt(classical, X25519_SUITE)).toBe('key_config_malformed');
    expect(await attempt(classical, HYBRID_SUITE)).toBe('suite_unsupported');
  });
});

describe('a foreign implementation', () => {
  it.each(SUITES.map((suite) => [suiteName(suite), suite] as const))(
    '%s: reads our request and is read',
    async (_, suite) => {
      const secret = new Uint8Array(32).fill(0x11);
      const key = await generateGatewayKey({
        keyId: KEY_ID,
        suites: [suite],
        provider: knownKeyProvider({ recipient: secret }),
      });
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 6 }),
          fc.array(fc.uint8Array({ minLength: 1, maxLength: 80 }), { maxLength: 6 }),
          fc.constantFrom(nodeCryptoProvider, webCryptoProvider),
          async (pieces, answer, provider) => {
            const exchange = await sealRequest({
              config: key.config,
              suite,
              plaintext: streamOf(...pieces),
              provider,
            });
            const opened = openIndependently(secret, Buffer.from(await collect(exchange.body)));
            expect(opened.chunks.map((c) => new Uint8Array(c))).toEqual([
              ...pieces.filter((q) => q.length > 0),
              new Uint8Array(0),
            ]);
            const wireAnswer = opened.respond(3, [...answer.map((a) => Buffer.from(a)), Buffer.from('end')]);
            const read = await collect(exchange.openResponse(streamOf(new Uint8Array(wireAnswer))));
            expect(read).toEqual(concat(...answer, toUtf8('end')));
          },
        ),
        { numRuns: 10 },
      );
    },
  );
});

describe('request', () => {
  it('holds a whole plaintext in full chunks, the last piece being final', async () => {
    const secret = new Uint8Array(32).fill(0x11);
    const provider = knownKeyProvider({ recipient: secret });
    const key = await generateGatewayKey({ keyId: KEY_ID, suites: [X25519_SUITE], provider });
    for (const [octets, chunks] of [
      [0, [0]],
      [1, [1]],
      [16384, [16384]],
      [16385, [16384, 1]],
      [40000, [16384, 16384, 7232]],
    ] as const) {
      const plaintext = new Uint8Array(octets);
      const exchange = await sealRequest({ config: key.config, suite: X25519_SUITE, plaintext, provider });
      const body = await collect(exchange.body);
      expect(openIndependently(secret, Buffer.from(body)).chunks.map((c) => c.length)).toEqual(chunks);
      expect((await receive(key, body)).plaintext).toHaveLength(octets);
    }
  });

  it('is sealed as its source delivers, header first', async () => {
    const key = await quickKey();
    const source = new TransformStream<Uint8Array, Uint8Array>();
    const writer = source.writable.getWriter();
    const exchange = await sealRequest({
      config: key.config,
      suite: X25519_SUITE,
      plaintext: source.readable,
      provider: nodeCryptoProvider,
    });
    const reader = exchange.body.getReader();
    expect((await reader.read()).value).toHaveLength(39);
    void writer.write(toUtf8('abc'));
    expect((await reader.read()).value).toHaveLength(1 + 3 + 16);
    void writer.write(new Uint8Array(0));
    void writer.write(new Uint8Array(64));
    expect((await reader.read()).value).toHaveLength(2 + 64 + 16);
    void writer.close();
    expect((await reader.read()).value).toHaveLength(1 + 16);
    expect((await reader.read()).done).toBe(true);
  });

  it('has no final chunk when its source fails', async () => {
    const key = await quickKey();
    const failing = ReadableStream.from(
      (async function* () {
        yield toUtf8('a beginning');
        throw new RangeError('the source broke');
      })(),
    );
    const exchange = await sealRequest({
      config: key.config,
      suite: X25519_SUITE,
      plaintext: failing,
      provider: nodeCryptoProvider,
    });
    const { octets, error } = await drain(exchange.body);
    expect(error).toBeInstanceOf(RangeError);
    expect(await codeOf(receive(key, octets))).toBe('request_truncated');
  });

  it('passes on a failure of its body, and leaves the body to the caller', async () => {
    const key = await quickKey();
    const { head, chunks } = await sealedRequest(key, [toUtf8('x')]);
    const broken = ReadableStream.from(
      (async function* () {
        yield concat(head, ...chunks.slice(0, 1));
        throw new RangeError('the socket broke');
      })(),
    );
    await expect(receive(key, broken)).rejects.toThrow(RangeError);
    const refused = streamOf(Uint8Array.of(1, 2, 3, 4, 5, 6, 7));
    expect(await codeOf(receive(key, refused))).toBe('key_unknown');
    expect(refused.locked).toBe(false);
  });

  it('cancels its source when it is cancelled, and does not run ahead of its reader', async () => {
    const key = await quickKey();
    let pulls = 0;
    let cancelled: unknown;
    const plaintext = new ReadableStream<Bytes>(
      {
        pull: (controller) => {
          pulls++;
          controller.enqueue(new Uint8Array(100));
        },
        cancel: (reason) => {
          cancelled = reason;
        },
      },
      { highWaterMark: 0 },
    );
    const exchange = await sealRequest({
      config: key.config,
      suite: X25519_SUITE,
      plaintext,
      provider: nodeCryptoProvider,
    });
    const reader = exchange.body.getReader();
    expect(pulls).toBe(0);
    for (let i = 0; i < 3; i++) await reader.read();
    expect(pulls).toBe(2);
    await reader.cancel('enough');
    expect(cancelled).toBe('enough');
  });

  it('made of thousands of one-octet chunks opens', async () => {
    const key = await quickKey();
    const count = 2_000;
    const exchange = await sealRequest({
      config: key.config,
      suite: X25519_SUITE,
      plaintext: ReadableStream.from(new Array<Uint8Array>(count).fill(Uint8Array.of(65))),
      provider: nodeCryptoProvider,
    });
    expect((await receive(key, exchange.body)).plaintext).toEqual(new Uint8Array(count).fill(65));
  });
});

describe('response', () => {
  const answer = ['data: one\n\n', 'data: two\n\n'].map(toUtf8);

  it('gives each chunk as it arrives and closes only after the final one', async () => {
    const message = await sealedResponse(await quickKey(), answer);
    const source = new TransformStream<Uint8Array, Uint8Array>();
    const writer = source.writable.getWriter();
    const reader = message.exchange.openResponse(source.readable).getReader();
    void writer.write(message.head);
    void writer.write(message.chunks[0]);
    expect(fromUtf8((await reader.read()).value as Bytes)).toBe('data: one\n\n');
    void writer.write(message.chunks[1]);
    expect(fromUtf8((await reader.read()).value as Bytes)).toBe('data: two\n\n');
    let ended = false;
    const end = reader.read().then(() => {
      ended = true;
    });
    void writer.write(message.chunks[2]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    // The final chunk has no length: it is whole when the body ends.
    expect(ended).toBe(false);
    await writer.close();
    await end;
    expect(ended).toBe(true);
  });

  it('keeps its first error and cancels the body', async () => {
    const message = await sealedResponse(await quickKey(), answer);
    let cancelled: unknown;
    const body = new ReadableStream<Bytes>({
      start: (controller) => {
        controller.enqueue(concat(message.head, message.chunks[1] as Bytes));
      },
      cancel: (reason) => {
        cancelled = reason;
      },
    });
    const reader = message.exchange.openResponse(body).getReader();
    const first = await reader.read().catch((error: unknown) => error);
    expect(first).toBeInstanceOf(SealingError);
    expect(await reader.read().catch((error: unknown) => error)).toBe(first);
    expect(cancelled).toBe(first);
  });

  it('passes on a failure of the body', async () => {
    const message = await sealedResponse(await quickKey(), answer);
    const broken = ReadableStream.from(
      (async function* () {
        yield concat(message.head, message.chunks[0] as Bytes);
        throw new RangeError('reset');
      })(),
    );
    const { octets, error } = await drain(message.exchange.openResponse(broken));
    expect(octets).toEqual(answer[0]);
    expect(error).toBeInstanceOf(RangeError);
  });

  it('cancels the body when it is cancelled, even while it waits for it', async () => {
    const message = await sealedResponse(await quickKey(), answer);
    let cancelled: unknown;
    const body = new ReadableStream<Bytes>({
      cancel: (reason) => {
        cancelled = reason;
      },
    });
    const reader = message.exchange.openResponse(body).getReader();
    const waiting = reader.read();
    await reader.cancel('closed by its reader');
    expect((await waiting).done).toBe(true);
    expect(cancelled).toBe('closed by its reader');
  });

  it('reads nothing before it is read, and one chunk ahead at most', async () => {
    const message = await sealedResponse(await quickKey(), new Array<Uint8Array>(50).fill(toUtf8('token')));
    let pulls = 0;
    const deliveries = [message.head, ...message.chunks];
    const body = new ReadableStream<Bytes>(
      {
        pull: (controller) => {
          const next = deliveries[pulls++];
          if (next === undefined) controller.close();
          else controller.enqueue(next);
        },
      },
      { highWaterMark: 0 },
    );
    const opened = message.exchange.openResponse(body);
    await Promise.resolve();
    expect(pulls).toBe(0);
    const reader = opened.getReader();
    await reader.read();
    expect(pulls).toBe(2);
    await reader.read();
    expect(pulls).toBe(3);
    await reader.cancel();
  });

  it('is opened once, sealed once, started first and never continued after its end', async () => {
    const key = await quickKey();
    const message = await sealedResponse(key, answer);
    expect(await collect(message.exchange.openResponse(streamOf(wire(message))))).toEqual(concat(...answer));
    expect(await codeOf(() => message.exchange.openResponse(streamOf(wire(message))))).toBe('closed');
    const received = await receive(key, wire(await sealedRequest(key, answer)));
    const sealer = received.respond(nodeCryptoProvider.random);
    expect(await codeOf(() => received.respond(nodeCryptoProvider.random))).toBe('closed');
    expect(await codeOf(async () => sealer.seal(Uint8Array.of(1)))).toBe('closed');
    expect(await codeOf(async () => sealer.finish())).toBe('closed');
    expect(sealer.start()).toHaveLength(16);
    expect(await codeOf(() => sealer.start())).toBe('closed');
    expect(await sealer.seal(new Uint8Array(0))).toHaveLength(0);
    expect(await sealer.seal(new Uint8Array(20_000))).toHaveLength(4 + 16_400 + 2 + 3_616 + 16);
    expect(await sealer.finish()).toHaveLength(17);
    expect(await codeOf(async () => sealer.seal(Uint8Array.of(1)))).toBe('closed');
    expect(await codeOf(async () => sealer.finish())).toBe('closed');
  });

  it('refuses a random source that gives another number of octets', async () => {
    const key = await quickKey();
    const received = await receive(key, wire(await sealedRequest(key, answer)));
    expect(() => received.respond(() => new Uint8Array(3))).toThrow(RangeError);
  });

  it('cannot be opened by another exchange', async () => {
    const key = await quickKey();
    const [one, two] = [await sealedResponse(key, answer), await sealedResponse(key, answer)];
    expect(await codeOf(one.exchange.openResponse(streamOf(wire(two))))).toBe('open_failed');
  });
});

describe('an erased key', () => {
  it('opens nothing more, but what was opened can be answered', async () => {
    const key = await quickKey();
    const octets = wire(await sealedRequest(key, [toUtf8('before')]));
    const received = await receive(key, octets);
    key.erase();
    key.erase();
    const reserved: number[] = [];
    const beforeDecapsulation = (enc: Bytes) => void reserved.push(enc.length);
    expect(await codeOf(receive(key, octets, { beforeDecapsulation }))).toBe('key_unknown');
    // Refused before replay memory is asked: nothing of a key's memory may be made after its end.
    expect(reserved).toEqual([]);
    expect(received.respond(nodeCryptoProvider.random).start()).toHaveLength(16);
  });

  it('opens nothing that had begun to arrive', async () => {
    const key = await quickKey();
    const octets = wire(await sealedRequest(key, [toUtf8('during')]));
    expect(await codeOf(receive(key, octets, { beforeDecapsulation: () => key.erase() }))).toBe(
      'key_unknown',
    );
  });

  it('shows its private half in no property', async () => {
    const key = await quickKey();
    expect(Object.keys(key).sort()).toEqual(['config', 'erase', 'suites']);
    expect(Object.isFrozen(key)).toBe(true);
  });
});

describe('the whole-message form', () => {
  it.each([new Uint8Array(15), new Uint8Array(0)])('refuses a body without a tag (%#)', async (rest) => {
    const key = await quickKey();
    const { head } = await sealedRequest(key, []);
    expect(await codeOf(receive(key, concat(head, rest), { type: MEDIA_TYPE.request }))).toBe(
      'request_truncated',
    );
  });

  it('refuses a chunked request and the reverse: their labels differ', async () => {
    const key = await quickKey();
    const { head, chunks } = await sealedRequest(key, []);
    const sealed = (chunks[0] as Bytes).subarray(1);
    expect(await codeOf(receive(key, concat(head, sealed), { type: MEDIA_TYPE.request }))).toBe(
      'open_failed',
    );
  });

  it('refuses more than the caller takes', async () => {
    const key = await quickKey();
    const { head } = await sealedRequest(key, []);
    const options = { type: MEDIA_TYPE.request, maxPlaintextBytes: 10 };
    expect(await codeOf(receive(key, concat(head, new Uint8Array(27)), options))).toBe('request_too_large');
  });
});
