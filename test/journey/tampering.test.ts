// Somebody on a hop changes sealed answers: every change is an error, and nothing behind the first bad place is handed out.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CloisterError } from '../../shared/client/cloister-error.ts';
import type { Cloister } from '../../shared/client/create-cloister.ts';
import type { RecordingProxy } from '../harness/recording-proxy.ts';
import { MODEL, startWholeSystem, type WholeSystem } from '../harness/whole-system.ts';

/** Of an AES-256-GCM answer (RFC 9458 section 4.4: the larger of key and nonce), and of its tag. */
const NONCE_OCTETS = 32;
const TAG_OCTETS = 16;

let system: WholeSystem;
let cloister: Cloister;
let truth: string;
let another: Buffer;

beforeAll(async () => {
  system = await startWholeSystem({ nodes: 1 });
  cloister = system.client();
  await cloister.verify();
  const answer = await ask();
  expect(answer.error).toBeUndefined();
  truth = answer.text;
  // Another request's whole answer, to be delivered in place of a later one.
  system.front.change = (body) => {
    another = Buffer.from(body);
    return body;
  };
  await ask();
  system.front.change = undefined;
}, 60_000);
afterAll(() => system?.stop());

interface Asked {
  readonly text: string;
  /** Octets of plaintext that were handed out. */
  readonly octets: number;
  readonly error: unknown;
}

/** Asks the same, always: greedy sampling and a fixed seed give one true answer. */
async function ask(): Promise<Asked> {
  let raw = '';
  let octets = 0;
  let error: unknown;
  try {
    const response = await cloister.fetch(`${cloister.baseURL}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: MODEL,
        messages: [{ role: 'user', content: 'Tell me.' }],
        max_tokens: 16,
        temperature: 0,
        seed: 1,
        stream: true,
      }),
    });
    const decoder = new TextDecoder();
    for await (const piece of response.body ?? []) {
      octets += piece.length;
      raw += decoder.decode(piece, { stream: true });
    }
  } catch (thrown) {
    error = thrown;
  }
  const events = raw.split('\n\n').filter((line) => line.startsWith('data: {'));
  const text = events
    .map((line) => tryJson(line.slice('data: '.length))?.choices?.[0]?.delta?.content ?? '')
    .join('');
  return { text, octets, error };
}

interface Delta {
  readonly choices?: readonly { readonly delta?: { readonly content?: string } }[];
}

function tryJson(text: string): Delta | undefined {
  try {
    return JSON.parse(text) as Delta;
  } catch {
    return undefined;
  }
}

interface Chunk {
  /** Where its length stands, where its ciphertext begins and ends. */
  readonly at: number;
  readonly from: number;
  readonly to: number;
  readonly final: boolean;
}

/** Where everything stands in a sealed answer: read by this test's own eyes. */
function chunksOf(body: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = NONCE_OCTETS; ; ) {
    const first = body.readUInt8(at);
    const width = 1 << (first >> 6);
    let length = first & 0x3f;
    for (let i = 1; i < width; i++) length = length * 256 + body.readUInt8(at + i);
    const from = at + width;
    const final = length === 0;
    const to = final ? body.length : from + length;
    chunks.push({ at, from, to, final });
    if (final) return chunks;
    at = to;
  }
}

interface Change {
  readonly body: Buffer;
  /** The chunk from which on nothing may be handed out. */
  readonly badFrom: number;
}

type Attack = (body: Buffer, chunks: readonly Chunk[]) => Change;

const chunkAt = (chunks: readonly Chunk[], index: number): Chunk => {
  const chunk = chunks.at(index);
  if (chunk === undefined) throw new Error('the answer has too few chunks');
  return chunk;
};
const flip = (body: Buffer, at: number, bit = 0): Buffer => {
  const changed = Buffer.from(body);
  changed.writeUInt8(changed.readUInt8(at) ^ (1 << bit), at);
  return changed;
};
const middle = (chunks: readonly Chunk[]) => Math.floor(chunks.length / 2);
const part = (body: Buffer, { at, to }: Chunk) => body.subarray(at, to);

const ATTACKS: readonly (readonly [string, Attack])[] = [
  ['the first octet of the nonce flipped', (body) => ({ body: flip(body, 0), badFrom: 0 })],
  ['the last octet of the nonce flipped', (body) => ({ body: flip(body, NONCE_OCTETS - 1, 7), badFrom: 0 })],
  ['a length prefix flipped', (body, chunks) => ({ body: flip(body, chunkAt(chunks, 0).at), badFrom: 0 })],
  ['the first chunk flipped', (body, chunks) => ({ body: flip(body, chunkAt(chunks, 0).from), badFrom: 0 })],
  ['a tag flipped', (body, chunks) => ({ body: flip(body, chunkAt(chunks, 1).to - 1, 3), badFrom: 1 })],
  [
    'a length prefix in the middle flipped',
    (body, chunks) => ({
      body: flip(body, chunkAt(chunks, middle(chunks)).from - 1),
      badFrom: middle(chunks),
    }),
  ],
  [
    'a chunk in the middle flipped',
    (body, chunks) => ({
      body: flip(body, chunkAt(chunks, middle(chunks)).from + 5),
      badFrom: middle(chunks),
    }),
  ],
  [
    'the last chunk with text flipped',
    (body, chunks) => ({ body: flip(body, chunkAt(chunks, -2).from), badFrom: chunks.length - 2 }),
  ],
  [
    'the mark of the final chunk flipped',
    (body, chunks) => ({ body: flip(body, chunkAt(chunks, -1).at, 4), badFrom: chunks.length - 1 }),
  ],
  [
    'the final chunk flipped',
    (body, chunks) => ({ body: flip(body, body.length - 1), badFrom: chunks.length - 1 }),
  ],
  [
    'an octet behind the final chunk',
    (body, chunks) => ({ body: Buffer.concat([body, Buffer.of(0)]), badFrom: chunks.length - 1 }),
  ],
  [
    'a chunk dropped',
    (body, chunks) => {
      const gone = chunkAt(chunks, middle(chunks));
      const rest = Buffer.concat([body.subarray(0, gone.at), body.subarray(gone.to)]);
      return { body: rest, badFrom: middle(chunks) };
    },
  ],
  [
    'two chunks swapped',
    (body, chunks) => {
      const [a, b] = [chunkAt(chunks, middle(chunks)), chunkAt(chunks, middle(chunks) + 1)];
      const swapped = [body.subarray(0, a.at), part(body, b), part(body, a), body.subarray(b.to)];
      return { body: Buffer.concat(swapped), badFrom: middle(chunks) };
    },
  ],
  [
    'a chunk repeated',
    (body, chunks) => {
      const twice = chunkAt(chunks, middle(chunks));
      const repeated = [body.subarray(0, twice.to), part(body, twice), body.subarray(twice.to)];
      return { body: Buffer.concat(repeated), badFrom: middle(chunks) + 1 };
    },
  ],
  [
    'the final chunk removed',
    (body, chunks) => ({
      body: body.subarray(0, chunkAt(chunks, -1).at),
      badFrom: chunks.length - 1,
    }),
  ],
  [
    'the tail cut off and a chunk in the middle called final',
    (body, chunks) => {
      const last = chunkAt(chunks, middle(chunks));
      const cut = [body.subarray(0, last.at), Buffer.of(0), body.subarray(last.from, last.to)];
      return { body: Buffer.concat(cut), badFrom: middle(chunks) };
    },
  ],
  ['everything but the nonce cut off', (body) => ({ body: body.subarray(0, NONCE_OCTETS), badFrom: 0 })],
  ['all of it cut off', () => ({ body: Buffer.alloc(0), badFrom: 0 })],
  ['the answer to another request', () => ({ body: another, badFrom: 0 })],
  [
    'the chunks of another answer behind this one’s nonce',
    (body) => ({
      body: Buffer.concat([body.subarray(0, NONCE_OCTETS), another.subarray(NONCE_OCTETS)]),
      badFrom: 0,
    }),
  ],
];

const HOPS: readonly (readonly [string, () => RecordingProxy | undefined])[] = [
  ['client and edge', () => system.front],
  ['edge and node', () => system.nodes[0]?.hop],
];

describe.each(HOPS)('between %s', (_, hopOf) => {
  test('nothing changed: the answer is complete', async () => {
    const answer = await ask();
    expect(answer.error).toBeUndefined();
    expect(answer.text).toBe(truth);
    expect(truth.length).toBeGreaterThan(16);
  });

  test.each(ATTACKS)('%s: an error, and no plaintext behind it', async (_name, attack) => {
    const hop = hopOf();
    if (hop === undefined) throw new Error('no hop');
    let applied: { handedOutAtMost: number } | undefined;
    hop.change = (body) => {
      const chunks = chunksOf(body);
      const { body: changed, badFrom } = attack(body, chunks);
      const sound = chunks.slice(0, badFrom).map(({ from, to }) => to - from - TAG_OCTETS);
      applied = { handedOutAtMost: sound.reduce((sum, octets) => sum + octets, 0) };
      return changed;
    };
    const { text, octets, error } = await ask();
    hop.change = undefined;
    expect(error).toBeInstanceOf(CloisterError);
    expect((error as CloisterError).code).toMatch(/^(stream_truncated|response_corrupted)$/);
    expect(truth.startsWith(text)).toBe(true);
    expect(octets).toBeLessThanOrEqual(applied?.handedOutAtMost ?? -1);
  });

  test('one octet flipped at each of six places spread over the answer', async () => {
    const hop = hopOf();
    if (hop === undefined) throw new Error('no hop');
    for (let step = 0; step < 6; step++) {
      hop.change = (body) => flip(body, Math.floor((body.length * step) / 6) + (step % 3), step % 8);
      const { text, error } = await ask();
      expect(error).toBeInstanceOf(CloisterError);
      expect((error as CloisterError).code).toMatch(/^(stream_truncated|response_corrupted)$/);
      expect(truth.startsWith(text)).toBe(true);
    }
    hop.change = undefined;
  });
});
