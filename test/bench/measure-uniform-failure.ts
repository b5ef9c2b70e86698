// Samples of every kind of failure to open a request, in random turns, and how far their times lie apart.

import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import { HEADER_OCTETS } from '../../shared/sealing/encapsulation.ts';
import type { GatewayKey } from '../../shared/sealing/gateway-key.ts';
import { kemSizes } from '../../shared/sealing/suite.ts';
import { chatRequest, seal } from '../backend/adapter/seal.ts';
import { startNode } from '../shared/client/harness/in-process.ts';

/** The kinds, all of one length. */
export const FAILURES = ['decapsulation', 'authentication', 'content'] as const;
export type Failure = (typeof FAILURES)[number];

/** Two kinds compared. */
export interface Comparison {
  readonly name: string;
  readonly samples: number;
  /** Welch's t of the times. */
  readonly t: number;
  /** Milliseconds. */
  readonly means: readonly [number, number];
  readonly deviations: readonly [number, number];
}

/** Measures; every tenth of the way the comparisons so far are reported. @returns what every answer looked like, and the comparisons. */
export async function measureUniformFailure(options: {
  readonly samples: number;
  readonly inFlight: number;
  readonly report?: (comparison: Comparison) => void;
}): Promise<{ readonly answers: ReadonlySet<string>; readonly comparisons: readonly Comparison[] }> {
  const node = await startNode({ replayEntries: 10_000_000 });
  const [key] = node.epochs.current.keys;
  if (key === undefined) throw new Error('a node without a key');
  const times = Object.fromEntries(FAILURES.map((kind) => [kind, []])) as unknown as Record<
    Failure,
    number[]
  >;
  const answers = new Set<string>();
  const rounds = Math.ceil((options.samples * FAILURES.length) / options.inFlight);
  const warmUp = Math.min(300, rounds);

  for (let round = -warmUp; round < rounds; round++) {
    // Drawn one by one: in a round of fixed make-up the others' work would tell the kind of each.
    const kinds = Array.from({ length: options.inFlight }, draw);
    const sealed = await Promise.all(kinds.map((kind) => make(kind, key)));
    await Promise.all(
      sealed.map(async ({ octets, type }, i) => {
        const began = performance.now();
        const response = await node.post(octets, type);
        const took = performance.now() - began;
        const answer = [response.status, [...response.headers], await response.text()];
        if (round < 0) return;
        times[kinds[i] as Failure].push(took);
        answers.add(JSON.stringify(answer));
      }),
    );
    node.events.length = 0;
    if (round > 0 && round % Math.ceil(rounds / 10) === 0)
      for (const comparison of compareAll(times)) options.report?.(comparison);
  }
  const comparisons = compareAll(times);
  for (const comparison of comparisons) options.report?.(comparison);
  return { answers, comparisons };
}

const TEXT = JSON.stringify({ messages: [{ role: 'user', content: 'x'.repeat(500) }] });

async function make(kind: Failure, key: GatewayKey): Promise<{ octets: Bytes; type: string }> {
  const sound = chatRequest([], TEXT);
  // Every kind is sealed alike and then bent, so that making it leaves the machine in the same state.
  const { octets, type } = await seal(key, kind === 'content' ? garbage(sound) : sound);
  const bent = concat(octets);
  const encEnd = HEADER_OCTETS + (kemSizes(key.config.kemId)?.enc ?? 0);
  if (kind === 'decapsulation') {
    // A share of low order: the one thing that decapsulation itself refuses.
    bent.fill(0, encEnd - 32, encEnd);
    bent[encEnd - 32] = 1;
  }
  if (kind === 'authentication') bent[bent.length - 1] = (bent.at(-1) ?? 0) ^ 1;
  return { octets: bent, type };
}

/** As long as what is sound, and no binary HTTP at its very end, after everything else was read. */
function garbage(sound: Bytes): Bytes {
  const octets = sound.slice();
  octets[octets.length - 1] = 1;
  return octets;
}

/**
 * Welch's t over everything, and over what lies below three quantiles of all times together: whatever else ran on the machine makes the
 * slow end, and cutting it off alike for both shows smaller differences.
 */
function compareAll(times: Record<Failure, number[]>): Comparison[] {
  const all = Float64Array.from(FAILURES.flatMap((kind) => times[kind])).sort();
  const cuts = [1, 0.9, 0.5, 0.1].map((share) => ({
    share,
    limit: all[Math.ceil(share * all.length) - 1] ?? 0,
  }));
  return FAILURES.flatMap((a, i) =>
    FAILURES.slice(i + 1).flatMap((b) =>
      cuts.map(({ share, limit }): Comparison => {
        const [x, y] = [times[a], times[b]].map((list) => describe(list.filter((time) => time <= limit)));
        if (x === undefined || y === undefined) throw new Error('two kinds are compared');
        return {
          name: `uniform_failure ${a}/${b}${share < 1 ? ` fastest ${share * 100} %` : ''}`,
          samples: Math.min(x.count, y.count),
          t: round((x.mean - y.mean) / Math.sqrt(x.variance / x.count + y.variance / y.count)),
          means: [round(x.mean), round(y.mean)],
          deviations: [round(Math.sqrt(x.variance)), round(Math.sqrt(y.variance))],
        };
      }),
    ),
  );
}

function describe(list: readonly number[]): { count: number; mean: number; variance: number } {
  const mean = list.reduce((sum, time) => sum + time, 0) / list.length;
  const squares = list.reduce((sum, time) => sum + (time - mean) ** 2, 0);
  return { count: list.length, mean, variance: squares / (list.length - 1) };
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}

function draw(): Failure {
  return FAILURES[Math.floor(Math.random() * FAILURES.length)] as Failure;
}
