import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { DigestTable } from '../../../backend/adapter/digest-table.ts';
import { ReplayMemory } from '../../../backend/adapter/replay-memory.ts';

const random = (octets: number) => new Uint8Array(randomBytes(octets));
const enc = (n: number) => new Uint8Array(new Uint32Array([n]).buffer);

test('a repeated enc is seen, under its own key only', () => {
  const memory = new ReplayMemory(10, random);
  expect(memory.reserve(1, enc(7))).toBe('new');
  expect(memory.reserve(1, enc(7))).toBe('seen');
  expect(memory.reserve(2, enc(7))).toBe('new');
});

test('a full table refuses and evicts nothing', () => {
  const memory = new ReplayMemory(2, random);
  expect(memory.reserve(1, enc(1))).toBe('new');
  expect(memory.reserve(1, enc(2))).toBe('new');
  expect(memory.reserve(1, enc(3))).toBe('full');
  expect(memory.reserve(1, enc(1))).toBe('seen');
  expect(memory.reserve(1, enc(2))).toBe('seen');
});

test('a table says when it is nearly full, before it is', () => {
  const memory = new ReplayMemory(16, random);
  for (let n = 0; n < 13; n++) memory.reserve(1, enc(n));
  expect(memory.isNearlyFull(1)).toBe(false);
  expect(memory.reserve(1, enc(13))).toBe('new');
  expect(memory.isNearlyFull(1)).toBe(true);
});

test('forgetting a key forgets its entries and no other', () => {
  const memory = new ReplayMemory(2, random);
  memory.reserve(1, enc(1));
  memory.reserve(2, enc(1));
  memory.forget(1);
  expect(memory.size(1)).toBe(0);
  expect(memory.reserve(2, enc(1))).toBe('seen');
});

test('a table that grew many times knows every entry and its words, and no other', () => {
  const table = new DigestTable({ capacity: 60_000, valueWords: 1, salt: random(32) });
  for (let n = 1; n <= 60_000; n++) {
    const entry = table.enter(enc(n));
    expect(entry?.fresh).toBe(true);
    entry?.value.set([n]);
  }
  expect(table.enter(enc(0))).toBeUndefined();
  let wrong = 0;
  for (let n = 1; n <= 60_000; n++) if (table.enter(enc(n))?.value[0] !== n) wrong++;
  for (let n = 60_001; n <= 90_000; n++) if (table.find(enc(n)) !== undefined) wrong++;
  expect(wrong).toBe(0);
  expect(table.size).toBe(60_000);
});

test('who does not know the salt cannot aim: digests that collide without it lie apart', () => {
  const aimed: Uint8Array[] = [];
  for (let n = 0; aimed.length < 12; n++)
    if (createHash('sha256').update(enc(n)).digest().readUInt16LE(0) % 4096 === 0) aimed.push(enc(n));
  const table = new DigestTable({ capacity: 100, valueWords: 0, salt: random(32) });
  for (const input of aimed) table.enter(input);
  // All in one segment would have grown it: twelve slots of eight at three quarters need thirty-two.
  expect(table.octets).toBeGreaterThan(32 * 16);
});
