// The measurement itself: it reads what was recorded, replays it faithfully, finds leaks that are there and none that are not.

import { describe, expect, it } from 'vitest';
import { DEFAULT_PADDING } from '../../../backend/adapter/padding-policy.ts';
import { attack, type Sighting } from './attack.ts';
import { areaUnderCurve } from './classifier.ts';
import { fromLines, pack, type RecordedStream, toLine, unpack } from './recording.ts';
import { replayStream } from './replay-stream.ts';
import { promptOf, TOPICS } from './topics.ts';

const STREAM: RecordedStream = {
  index: 7,
  topic: 7,
  subject: 0,
  maxTokens: 32,
  headAt: 3,
  at: [4, 410, 431, 455, 470, 470],
  octets: [239, 224, 221, 226, 212, 14],
  endAt: 471,
};
const FRAMING = 2 + 2 + 16;

describe('a recording', () => {
  it('is read as it was written, without a last line that was cut', () => {
    expect(unpack(pack([STREAM, { ...STREAM, index: 8 }]))).toEqual([STREAM, { ...STREAM, index: 8 }]);
    expect(fromLines(`${toLine(STREAM)}\n${toLine(STREAM).slice(0, 20)}`)).toEqual([STREAM]);
  });

  it('asks every topic equally often, about every subject, in every way', () => {
    const rounds = 18 * 6;
    const texts = Array.from({ length: rounds * TOPICS.length }, (_, index) => promptOf(index).text);
    expect(TOPICS.length).toBeGreaterThanOrEqual(10);
    expect(new Set(texts).size).toBe(texts.length);
  });
});

describe('a replay', () => {
  it('without the defence shows every piece at its moment and length', async () => {
    const { seen, delays } = await replayStream(STREAM, undefined);
    const pieces = seen.slice(2, -2);
    expect(pieces.map(({ at }) => at)).toEqual(STREAM.at);
    // Both length prefixes of the shortest piece take one octet instead of two.
    const framing = (octets: number) => (octets < 48 ? FRAMING - 2 : FRAMING);
    expect(pieces.map(({ octets }) => octets)).toEqual(
      STREAM.octets.map((octets) => octets + framing(octets)),
    );
    expect(delays).toEqual([0, 0, 0]);
  });

  it('with it shows ticks, and knows how long each token waited', async () => {
    const { seen, delays, firstToken } = await replayStream(STREAM, DEFAULT_PADDING);
    for (const { at } of seen) expect(at % DEFAULT_PADDING.tickMilliseconds).toBe(0);
    expect(firstToken).toBe(500);
    expect(delays).toEqual([90, 69, 45]);
  });
});

describe('the observer', () => {
  const sightings = (length: (topic: number) => number): Sighting[] =>
    Array.from({ length: 360 }, (_, i) => ({
      topic: i % 3,
      subject: Math.floor(i / 3) % 18,
      counts: true,
      seen: Array.from({ length: 12 }, (_, piece) => ({
        at: piece * 20,
        octets: 200 + ((i * 7 + piece * 3) % 5) + length(i % 3) * (piece % 2),
      })),
    }));

  it('tells topics apart whose sizes differ, and no others', () => {
    expect(
      attack(
        sightings((topic) => topic),
        3,
        5,
      ).mean,
    ).toBeGreaterThan(0.95);
    const blind = attack(
      sightings(() => 0),
      3,
      5,
    );
    expect(Math.abs(blind.mean - 0.5)).toBeLessThan(0.1);
    expect(blind.heldOut).toBe(120);
    expect(blind.training).toBe(80);
  });

  it('is scored by ranks, with ties for half', () => {
    expect(areaUnderCurve([1, 2, 3, 4], [false, false, true, true])).toBe(1);
    expect(areaUnderCurve([1, 2, 3, 4], [true, true, false, false])).toBe(0);
    expect(areaUnderCurve([1, 1, 1, 1], [true, false, true, false])).toBe(0.5);
  });
});
