// The replay memory at ten million entries: octets and time.
//
//   node --expose-gc test/bench/replay-memory.ts [--entries 10000000]

import { createHash, hash, randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { ReplayMemory } from '../../backend/adapter/replay-memory.ts';

const { values } = parseArgs({ options: { entries: { type: 'string', default: '10000000' } } });
const entries = Number(values.entries);
const KEY_ID = 7;
const LOOK_UPS = 200_000;
/** The encapsulated key of X-Wing. */
const enc = new Uint8Array(1120);
const view = new DataView(enc.buffer);

function number(n: number): Uint8Array {
  view.setUint32(0, n);
  return enc;
}

function tell(name: string, value: number, unit: string, floor: number): void {
  const ratio = Number((value / floor).toPrecision(4));
  process.stdout.write(
    `${JSON.stringify({ name, value: Number(value.toPrecision(4)), unit, floor, ratio })}\n`,
  );
}

function microseconds(times: number, action: (i: number) => void): number {
  const began = performance.now();
  for (let i = 0; i < times; i++) action(i);
  return ((performance.now() - began) * 1000) / times;
}

const collect = globalThis.gc ?? (() => {});
collect();
const before = process.memoryUsage();
const memory = new ReplayMemory(entries, (octets) => new Uint8Array(randomBytes(octets)));
let longest = 0;
const insertion = microseconds(entries, (i) => {
  const began = performance.now();
  if (memory.reserve(KEY_ID, number(i)) !== 'new') throw new Error('a new entry was seen');
  longest = Math.max(longest, performance.now() - began);
});
collect();
const after = process.memoryUsage();
const digest = Number(microseconds(LOOK_UPS, (i) => hash('sha256', number(i), 'buffer')).toPrecision(4));

tell('replay_reserve', insertion, 'us', digest);
tell('replay_longest_reserve', longest * 1000, 'us', digest);
tell(
  'replay_seen',
  microseconds(LOOK_UPS, (i) => {
    if (memory.reserve(KEY_ID, number(Math.floor((i * entries) / LOOK_UPS))) !== 'seen')
      throw new Error('an entry was lost');
  }),
  'us',
  digest,
);
if (memory.reserve(KEY_ID, number(entries)) !== 'full') throw new Error('more than its capacity');
tell('replay_memory', after.arrayBuffers - before.arrayBuffers, 'octets', 16 * entries);
tell('replay_resident', after.rss - before.rss, 'octets', 16 * entries);

// What a Set of strings, the obvious way, takes for a tenth as many.
const tenth = Math.ceil(entries / 10);
collect();
const heapBefore = process.memoryUsage().heapUsed;
const set = new Set<string>();
for (let i = 0; i < tenth; i++) set.add(createHash('sha256').update(number(i)).digest('binary'));
collect();
tell('replay_set_per_entry', (process.memoryUsage().heapUsed - heapBefore) / set.size, 'octets', 16);
