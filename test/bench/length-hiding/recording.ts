// The recording: for each stream when the engine's pieces came and how long they were, and nothing of what they said.

import { gunzipSync, gzipSync } from 'node:zlib';

/** One recorded stream. Times are milliseconds after the request was handed to the engine. */
export interface RecordedStream {
  /** Number of the stream, from which its prompt follows. */
  readonly index: number;
  /** Index into the topics. */
  readonly topic: number;
  /** Index of the subject within the topic: decides between training and held out. */
  readonly subject: number;
  /** `max_tokens` of the request. */
  readonly maxTokens: number;
  /** When the answer's head came. */
  readonly headAt: number;
  /** When each piece came. */
  readonly at: readonly number[];
  /** Octets of each piece. */
  readonly octets: readonly number[];
  /** When the stream ended. */
  readonly endAt: number;
}

/** One line: times as differences, because they are shorter. */
export function toLine(stream: RecordedStream): string {
  const { index, topic, subject, maxTokens, headAt, at, octets, endAt } = stream;
  const gaps = [...at, endAt].map((time, i) => time - (i === 0 ? headAt : (at[i - 1] as number)));
  return JSON.stringify([index, topic, subject, maxTokens, headAt, gaps, octets]);
}

type Line = [number, number, number, number, number, number[], number[]];

/** Reads what `toLine` wrote, one stream a line; a last line that was cut is left out. */
export function fromLines(text: string): RecordedStream[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => {
    const [index, topic, subject, maxTokens, headAt, gaps, octets] = JSON.parse(line) as Line;
    const times: number[] = [];
    let time = headAt;
    for (const gap of gaps) {
      time += gap;
      times.push(time);
    }
    const endAt = times.pop() ?? headAt;
    return { index, topic, subject, maxTokens, headAt, at: times, octets, endAt };
  });
}

/** The committed form. */
export function pack(streams: readonly RecordedStream[]): Uint8Array {
  return gzipSync(`${streams.map(toLine).join('\n')}\n`, { level: 9 });
}

/** @throws when the octets are not a packed recording */
export function unpack(octets: Uint8Array): RecordedStream[] {
  return fromLines(gunzipSync(octets).toString('utf8'));
}
