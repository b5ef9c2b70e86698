import { expect, test } from 'vitest';
import { ReplayMemory } from '../../../backend/adapter/replay-memory.ts';

const enc = (n: number) => new Uint8Array(32).fill(n);

test('a repeated enc is seen, under its own key only', () => {
  const memory = new ReplayMemory(10);
  expect(memory.reserve(1, enc(7))).toBe('new');
  expect(memory.reserve(1, enc(7))).toBe('seen');
  expect(memory.reserve(2, enc(7))).toBe('new');
});

test('a full table refuses and evicts nothing', () => {
  const memory = new ReplayMemory(2);
  expect(memory.reserve(1, enc(1))).toBe('new');
  expect(memory.reserve(1, enc(2))).toBe('new');
  expect(memory.reserve(1, enc(3))).toBe('full');
  expect(memory.reserve(1, enc(1))).toBe('seen');
  expect(memory.reserve(1, enc(2))).toBe('seen');
});

test('forgetting a key forgets its entries and no other', () => {
  const memory = new ReplayMemory(2);
  memory.reserve(1, enc(1));
  memory.reserve(2, enc(1));
  memory.forget(1);
  expect(memory.size(1)).toBe(0);
  expect(memory.reserve(2, enc(1))).toBe('seen');
});
