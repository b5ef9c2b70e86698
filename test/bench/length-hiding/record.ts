// Records the real engine on every topic: `node test/bench/length-hiding/record.ts --streams N`; goes on where it stopped.

import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Engine } from '../../../backend/engine/engine.ts';
import { startEngine } from '../../../backend/engine/start-engine.ts';
import { DEFAULT_MODEL } from '../../../backend/engine/weights/model-catalogue.ts';
import { fromLines, pack, type RecordedStream, toLine } from './recording.ts';
import { promptOf } from './topics.ts';

const repository = fileURLToPath(new URL('../../..', import.meta.url));

const { values } = parseArgs({
  options: {
    /** How many streams the recording shall have in the end. */
    streams: { type: 'string', default: '3000' },
    /** Answers at the same time; each sees the others in its timing, as in a real node. */
    sequences: { type: 'string', default: '1' },
    /** The caller's `max_tokens` is drawn from this range, whatever the topic. */
    'least-tokens': { type: 'string', default: '32' },
    'most-tokens': { type: 'string', default: '48' },
    name: { type: 'string', default: 'recording' },
    /** Writes what is there to the committed file and ends. */
    pack: { type: 'boolean', default: false },
    driver: { type: 'string', default: 'landlock' },
  },
});

const folder = join(repository, '.cloister', 'length-hiding');
const working = join(folder, `${values.name}.jsonl`);
const committed = fileURLToPath(new URL(`${values.name}.jsonl.gz`, import.meta.url));
const done = existsSync(working) ? fromLines(readFileSync(working, 'utf8')) : [];

if (values.pack) {
  const streams = done.toSorted((a, b) => a.index - b.index);
  writeFileSync(committed, pack(streams));
  process.stdout.write(`${streams.length} streams\n`);
} else {
  mkdirSync(folder, { recursive: true });
  // A line that a kill cut in two would swallow the next one.
  writeFileSync(working, done.map((stream) => `${toLine(stream)}\n`).join(''));
  await record();
}

async function record(): Promise<void> {
  const runFolder = mkdtempSync(join(tmpdir(), 'record-'));
  const sequences = Number(values.sequences);
  const engine = await startEngine({
    driver: values.driver === 'none' ? 'none' : 'landlock',
    model: {
      id: DEFAULT_MODEL.id,
      path: join(repository, '.cloister', 'models', DEFAULT_MODEL.file),
      sha256: DEFAULT_MODEL.sha256,
    },
    threads: 1,
    sequences,
    runFolder,
    random: (octets) => new Uint8Array(randomBytes(octets)),
  });
  const known = new Set(done.map(({ index }) => index));
  const wanted = Array.from({ length: Number(values.streams) }, (_, index) => index).filter(
    (index) => !known.has(index),
  );
  const started = performance.now();
  let finished = 0;
  const worker = async (): Promise<void> => {
    for (let index = wanted.shift(); index !== undefined; index = wanted.shift()) {
      appendFileSync(working, `${toLine(await recordStream(engine, index))}\n`);
      finished++;
      if (finished % 60 === 0) {
        const minutes = (performance.now() - started) / 60_000;
        process.stdout.write(
          `${known.size + finished} streams, ${(finished / minutes).toFixed(1)} a minute\n`,
        );
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: sequences }, worker));
  } finally {
    await engine.stop();
    rmSync(runFolder, { recursive: true });
  }
}

async function recordStream(engine: Engine, index: number): Promise<RecordedStream> {
  const { topic, subject, text } = promptOf(index);
  const least = Number(values['least-tokens']);
  const maxTokens = least + Math.floor(Math.random() * (Number(values['most-tokens']) - least + 1));
  const body = {
    model: DEFAULT_MODEL.id,
    messages: [{ role: 'user', content: text }],
    stream: true,
    max_tokens: maxTokens,
    temperature: 0.8,
    top_p: 0.95,
  };
  const started = performance.now();
  const since = (): number => Math.round(performance.now() - started);
  const answer = await engine.request({
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { 'content-type': 'application/json' },
    body: new TextEncoder().encode(JSON.stringify(body)),
  });
  if (answer.status !== 200) throw new Error(`the engine answered ${answer.status}`);
  const headAt = since();
  const at: number[] = [];
  const octets: number[] = [];
  for await (const piece of answer.body) {
    at.push(since());
    octets.push(piece.length);
  }
  return { index, topic, subject, maxTokens, headAt, at, octets, endAt: since() };
}
