// Streams on a cadence: content unchanged, sizes and moments few, cost bounded, and prompt about failures and aborts.

import fc from 'fast-check';
import { Stream } from 'openai/streaming';
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../backend/adapter/cadence-clock.ts';
import { DEFAULT_PADDING, type PaddingPolicy } from '../../../backend/adapter/padding-policy.ts';
import { EngineError } from '../../../backend/engine/engine-error.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import type { GatewayKey } from '../../../shared/sealing/gateway-key.ts';
import { lengthBucket } from '../../../shared/sealing/length-buckets.ts';
import { VirtualClock } from '../../bench/length-hiding/virtual-clock.ts';
import { quickKey } from '../../shared/sealing/harness/exchanges.ts';
import { codeOf } from '../../shared/sealing/harness/streams.ts';
import { type EngineScript, exchange } from './answer-exchange.ts';
import { readEvents, withoutComments } from './read-events.ts';

const POLICY: PaddingPolicy = {
  tickMilliseconds: 250,
  startMilliseconds: 100,
  quietMilliseconds: 1000,
  leastOctets: 512,
  mostOctets: 2048,
  usualOctets: 1024,
  streamBuckets: { floor: 4096, stepsPerDoubling: 2 },
  answerBuckets: DEFAULT_PADDING.answerBuckets,
};
const LEVELS = [512, 1024, 2048];
const text = (octets: Uint8Array): string => new TextDecoder().decode(octets);
const event = (data: object | string): Uint8Array =>
  toUtf8(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
const tokens = (count: number, after: number): EngineScript => ({
  pieces: [
    ...Array.from({ length: count }, (_, i) => ({
      after,
      octets: event({ choices: [{ delta: { content: `word${i} ` } }], filler: 'x'.repeat(150) }),
    })),
    { after: 1, octets: event('[DONE]') },
  ],
});
const whole = (script: EngineScript): string => script.pieces.map(({ octets }) => text(octets)).join('');

let key: GatewayKey;
beforeAll(async () => {
  key = await quickKey();
});

const pieces = fc.array(
  fc.record({
    after: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 900 })),
    octets: fc.oneof(
      fc.string({ maxLength: 300, unit: 'binary' }).map((s) => event(s.replace(/[\r\n]/g, ' '))),
      fc.nat(5000).map((n) => event('y'.repeat(n))),
      // Not an event of its own: halves, line ends of every kind, whatever.
      fc
        .constantFrom('data: half', ' other\n', '\n', '\r\n\r\n', '\r\r', ': theirs\n', 'event: e\n')
        .map(toUtf8),
    ),
  }),
  { maxLength: 40 },
);

describe('an event stream on its cadence', () => {
  it('is unchanged but for comments, in sizes, totals and moments of the policy', async () => {
    await fc.assert(
      fc.asyncProperty(pieces, fc.integer({ min: 0, max: 700 }), async (script, headAt) => {
        const { body, sizes, sealed, error } = await exchange(
          key,
          { pieces: script, headAt },
          POLICY,
          new VirtualClock(),
        );
        expect(error).toBeUndefined();
        expect(withoutComments(text(body))).toBe(whole({ pieces: script }));
        expect(readEvents(text(body))).toEqual(readEvents(whole({ pieces: script })));
        for (const size of sizes) expect(LEVELS).toContain(size);
        const total = sizes.reduce((sum, size) => sum + size, 0);
        expect(total).toBe(lengthBucket(total, POLICY.streamBuckets));
        for (const { at } of sealed) expect(at % POLICY.tickMilliseconds).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('holds no token longer than two ticks and the first no longer than one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 5, max: 120 }),
        fc.integer({ min: 1, max: 80 }),
        async (after, count) => {
          const script = tokens(count, after);
          const { sealed, body } = await exchange(
            key,
            script,
            { ...POLICY, streamBuckets: { floor: 512, stepsPerDoubling: 1 } },
            new VirtualClock(),
          );
          expect(readEvents(text(body)).length).toBe(count + 1);
          // The end of the message comes with the last token: at most two ticks later, then only the tail.
          const ticks = Math.ceil((after * count + 1) / 250);
          const content = sealed.filter(({ at }) => at <= (ticks + 1) * 250).length;
          expect(content).toBeGreaterThanOrEqual(ticks);
        },
      ),
      { numRuns: 30 },
    );
    const first = await exchange(key, tokens(3, 260), POLICY, new VirtualClock());
    expect(first.sealed.slice(0, 3).map(({ at }) => at)).toEqual([0, 250, 500]);
  });

  it('sends a tick at every cadence once tokens came, also when the engine is silent', async () => {
    const script = {
      pieces: [
        { after: 1, octets: event('a'.repeat(500)) },
        { after: 3000, octets: event('b') },
      ],
    };
    const { sealed, sizes } = await exchange(key, script, POLICY, new VirtualClock());
    const moments = sealed.slice(1, -1).map(({ at }) => at);
    expect(moments).toEqual(moments.map((_, i) => 250 * (i + 1)));
    // Usual ones up to the floor, then the least, and what is left to the bucket at the usual pace.
    expect(sizes).toEqual([...Array(4).fill(1024), ...Array(9).fill(512), ...Array(3).fill(1024), 512]);
  });

  it('gives a sign of life each second while it waits for the first token', async () => {
    const script = {
      pieces: [
        { after: 1, octets: event('role') },
        { after: 2600, octets: event('t'.repeat(600)) },
      ],
    };
    const { sealed } = await exchange(key, script, POLICY, new VirtualClock());
    expect(sealed.slice(1, 5).map(({ at }) => at)).toEqual([250, 1250, 2250, 2750]);
  });

  it('lets the first token leave on a coarser clock, and every later one at its tick', async () => {
    const policy = { ...POLICY, startMilliseconds: 1000 };
    const firstBusy = async (after: number) => {
      const script = {
        pieces: [
          { after: 1, octets: event('role') },
          { after, octets: event('t'.repeat(600)) },
          { after: 260, octets: event('u'.repeat(600)) },
          { after: 500, octets: event('v') },
        ],
      };
      const { sealed, body } = await exchange(key, script, policy, new VirtualClock());
      expect(withoutComments(text(body))).toBe(whole(script));
      // The head and who speaks have left before, in the smallest piece.
      const at = sealed.findIndex(({ octets }, i) => i > 0 && octets.length > 600);
      return sealed.slice(at, at + 3).map((piece) => piece.at);
    };
    for (const after of [10, 400, 990]) expect(await firstBusy(after)).toEqual([1000, 1250, 1500]);
    expect(await firstBusy(1010)).toEqual([2000, 2250, 2500]);
  });

  it('looks the same after one token and after as many as the floor takes', async () => {
    const seen = async (count: number) => {
      const { sealed } = await exchange(key, tokens(count, 60), POLICY, new VirtualClock());
      return sealed.map(({ at, octets }) => [at, octets.length]);
    };
    const most = await seen(14);
    for (const count of [3, 4, 6, 9, 12]) expect(await seen(count)).toEqual(most);
  });

  it('says nothing of token lengths where as many tokens came', async () => {
    const stream = (long: number) => ({
      pieces: Array.from({ length: 40 }, (_, i) => ({
        after: 25,
        octets: event(`${'e'.repeat(200)}${'t'.repeat(i % 3 === 0 ? long : 2)}`),
      })),
    });
    const [a, b] = [
      await exchange(key, stream(1), POLICY, new VirtualClock()),
      await exchange(key, stream(4), POLICY, new VirtualClock()),
    ];
    expect(a.sizes).toEqual(b.sizes);
  });

  it('costs at most its bucket and a piece for each tick', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 5, max: 60 }),
        async (count, after) => {
          const script = tokens(count, after);
          const { sizes } = await exchange(key, script, POLICY, new VirtualClock());
          const total = sizes.reduce((sum, size) => sum + size, 0);
          const ticks = Math.ceil((count * after) / 250) + 2;
          const most = whole(script).length + 128 + ticks * (POLICY.leastOctets + 4);
          expect(total).toBeLessThanOrEqual(lengthBucket(most, POLICY.streamBuckets));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is read by the openai package as if it were not padded', async () => {
    const { body } = await exchange(key, tokens(20, 40), POLICY, new VirtualClock());
    const seen: string[] = [];
    for (const cut of [1, 7, 512]) {
      const parts = Array.from({ length: Math.ceil(body.length / cut) }, (_, i) =>
        body.slice(i * cut, (i + 1) * cut),
      );
      const response = new Response(ReadableStream.from(parts) as ReadableStream<Uint8Array<ArrayBuffer>>);
      const stream = Stream.fromSSEResponse<{ choices: { delta: { content: string } }[] }>(
        response,
        new AbortController(),
      );
      let said = '';
      for await (const chunk of stream) said += chunk.choices[0]?.delta.content ?? '';
      seen.push(said);
    }
    expect(new Set(seen)).toEqual(new Set([Array.from({ length: 20 }, (_, i) => `word${i} `).join('')]));
  });

  it('tells of an engine that dies in the midst of an event, and ends whole', async () => {
    const script = {
      pieces: [
        { after: 10, octets: event('one') },
        { after: 300, octets: toUtf8('data: tw') },
      ],
      dies: new EngineError('engine_crashed', 'gone'),
    };
    const { body, error, outcome, sizes } = await exchange(key, script, POLICY, new VirtualClock());
    expect(error).toBeUndefined();
    expect(outcome.outcome).toBe('engine_failed');
    const events = readEvents(text(body));
    expect(events.map(({ data }) => data)).toEqual(['one', expect.stringContaining('"engine_crashed"')]);
    for (const size of sizes) expect(LEVELS).toContain(size);
  });

  it('ends at once when its client is gone, without a final chunk', async () => {
    for (const after of [3, 9]) {
      const gone = new AbortController();
      const clock = new VirtualClock();
      // After nine pieces the engine has ended and only the tail is left.
      const script = tokens(after === 3 ? 400 : 2, 50);
      const { error, sealed } = await exchange(
        key,
        script,
        { ...POLICY, streamBuckets: { floor: 16_384, stepsPerDoubling: 1 } },
        clock,
        {
          signal: gone.signal,
          pulled: async (piece) => {
            if (piece === after) void clock.until(clock.now() + 10).then(() => gone.abort());
          },
        },
      );
      expect((error as Error).name).toBe('AbortError');
      expect(sealed.length).toBeLessThanOrEqual(after + 1);
    }
  });

  it('does not read on while nobody takes its ticks, and brings no burst afterwards', async () => {
    const clock = new VirtualClock();
    const { sealed } = await exchange(key, tokens(200, 100), POLICY, clock, {
      pulled: async (piece) => {
        if (piece === 4) await clock.until(clock.now() + 10_000);
      },
    });
    const moments = sealed.slice(1, -1).map(({ at }) => at);
    expect(moments.slice(2, 5)).toEqual([750, 10_750, 11_000]);
    expect(new Set(moments).size).toBe(moments.length);
  });

  it('lets an event pass that is too long to wait for', async () => {
    const long = `data: ${'z'.repeat(200_000)}`;
    const halves = [long.slice(0, 90_000), long.slice(90_000), '\n\n', 'data: after\n\n'];
    const script = { pieces: halves.map((half) => ({ after: 300, octets: toUtf8(half) })) };
    const { body, sizes, error } = await exchange(key, script, POLICY, new VirtualClock());
    expect(error).toBeUndefined();
    expect(withoutComments(text(body))).toBe(halves.join(''));
    for (const size of sizes) expect(LEVELS).toContain(size);
  });
});

describe('interim responses', () => {
  it('come after a second and are as long as the smallest tick', async () => {
    const { sealed, sizes, interims, error } = await exchange(
      key,
      { ...tokens(3, 10), headAt: 17_100 },
      POLICY,
      new VirtualClock(),
    );
    expect(error).toBeUndefined();
    expect(interims).toEqual([102, 102]);
    expect(sizes.slice(0, 3)).toEqual([512, 512, 1024]);
    expect(sealed.slice(1, 4).map(({ at }) => at)).toEqual([1000, 16_000, 17_250]);
  });
});

describe('an answer that is not streamed', () => {
  const json = (length: number, cuts = 1): EngineScript => ({
    contentType: 'application/json',
    pieces: Array.from({ length: cuts }, () => ({ after: 5, octets: toUtf8('j'.repeat(length / cuts)) })),
  });

  it('is unchanged, in chunks and totals of the policy', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 20_000 }), fc.constantFrom(1, 2, 9), async (unit, cuts) => {
        const script = json(unit * cuts, cuts);
        const { body, sealed, error } = await exchange(key, script, POLICY, new VirtualClock());
        expect(error).toBeUndefined();
        expect(text(body)).toBe(whole(script));
        const sizes = sealed.slice(1, -1).map(({ octets }) => octets.length);
        const last = (sizes.at(-1) ?? 0) - 18;
        const before = sizes.slice(0, -1).reduce((sum, size) => sum + size, 0);
        // 16 KiB of plaintext, a tag, and a length prefix of four octets.
        expect(before % (16_384 + 20)).toBe(0);
        const plaintext = (before / (16_384 + 20)) * 16_384 + last;
        if (last <= 16_384) expect(plaintext).toBe(lengthBucket(plaintext, POLICY.answerBuckets));
      }),
      { numRuns: 40 },
    );
  });

  it('looks the same for a short and a shorter answer, and for an error', async () => {
    const sizes = async (script: EngineScript, route?: string) =>
      (await exchange(key, script, POLICY, new VirtualClock(), route === undefined ? {} : { route })).sizes;
    expect(await sizes(json(1))).toEqual([1024]);
    expect(await sizes(json(900))).toEqual([1024]);
    expect(await sizes(json(900), 'GET /other')).toEqual([1024]);
  });

  it('has no end when the engine dies', async () => {
    const script = { ...json(600), dies: new EngineError('engine_crashed', 'gone') };
    const { error, outcome, sealed } = await exchange(key, script, POLICY, new VirtualClock());
    expect(error).toMatchObject({ code: 'engine_crashed' });
    expect(outcome.outcome).toBe('engine_failed');
    expect(sealed.length).toBe(1);
  });
});

describe('without padding', () => {
  it('every flush leaves at once and as long as it is', async () => {
    const script = tokens(5, 40);
    const { body, sealed, error } = await exchange(key, script, undefined, new VirtualClock());
    expect(error).toBeUndefined();
    expect(text(body)).toBe(whole(script));
    expect(sealed.slice(2, 5).map(({ at }) => at)).toEqual([40, 80, 120]);
  });
});

describe('the clock of the process', () => {
  it('waits, and wakes at once on an abort', async () => {
    const gone = new AbortController();
    const started = systemClock.now();
    await systemClock.until(started + 20, gone.signal);
    expect(systemClock.now() - started).toBeGreaterThan(15);
    const waiting = systemClock.until(systemClock.now() + 60_000, gone.signal);
    gone.abort();
    await waiting;
    expect(systemClock.now() - started).toBeLessThan(5000);
    expect(await codeOf(systemClock.until(systemClock.now() + 60_000, gone.signal))).toBe('none');
  });
});
