// The loop: take an input, change it, try it, and keep it when it took an edge, or took one oftener, as no input did before.

import { type Coverage, clearCoverage, type InstrumentedTarget, MAP_SIZE } from './instrument.ts';
import { Dice, mutate } from './mutate.ts';

/** What a run found. */
export interface FuzzReport {
  readonly executions: number;
  /** Edges that some input took. */
  readonly edges: number;
  /** Every input that took something new, in the order of finding. */
  readonly corpus: readonly Uint8Array[];
  /** The input that caused what no input may cause, and what that was. */
  readonly crash?: { readonly input: Uint8Array; readonly error: unknown };
}

export interface FuzzOptions {
  readonly executions: number;
  readonly seed: number;
  readonly seeds: readonly Uint8Array[];
  /** Octet strings of the format. */
  readonly words: readonly Uint8Array[];
  readonly maxOctets: number;
}

/** Runs one target until it has run often enough or something broke. */
export async function fuzzTarget(target: InstrumentedTarget, options: FuzzOptions): Promise<FuzzReport> {
  const dice = new Dice(options.seed);
  const seen = new Uint8Array(MAP_SIZE);
  const corpus: Uint8Array[] = [];
  let executions = 0;

  const attempt = async (input: Uint8Array<ArrayBuffer>): Promise<unknown> => {
    executions++;
    clearCoverage(target.coverage);
    // A copy: a target that changes its input must not change what is kept.
    try {
      const pending = target.fuzz(input.slice());
      if (pending !== undefined) await pending;
    } catch (error) {
      return { error };
    }
    if (isNew(target.coverage, seen)) corpus.push(input);
    return undefined;
  };

  const first = [new Uint8Array(0), ...options.seeds.map((seed) => new Uint8Array(seed))];
  let next = first.shift();
  for (; executions < options.executions; next = first.shift()) {
    const input =
      next ?? mutate(pick(corpus, dice), pick(corpus, dice), options.words, options.maxOctets, dice);
    const crash = await attempt(input);
    if (crash !== undefined)
      return { ...summary(), crash: { input, error: (crash as { error: unknown }).error } };
  }
  return summary();

  function summary(): FuzzReport {
    return { executions, edges: seen.reduce((sum, buckets) => sum + (buckets === 0 ? 0 : 1), 0), corpus };
  }
}

/** Later finds oftener: they are where the unknown begins. */
function pick(corpus: readonly Uint8Array[], dice: Dice): Uint8Array {
  const recent = dice.roll(3) === 0 ? Math.max(1, corpus.length >> 3) : corpus.length;
  return corpus[corpus.length - 1 - dice.roll(Math.max(1, recent))] ?? new Uint8Array(0);
}

/** Counts in eight classes (1, 2, 3, 4-7, 8-15, 16-31, 32-127, more), so that every loop count is not news. */
function isNew({ counts, edges, taken }: Coverage, seen: Uint8Array): boolean {
  let found = false;
  for (let i = 0; i < taken; i++) {
    const edge = edges[i] as number;
    const bucket = classOf(counts[edge] as number);
    if (((seen[edge] as number) & bucket) !== 0) continue;
    seen[edge] = (seen[edge] as number) | bucket;
    found = true;
  }
  return found;
}

function classOf(count: number): number {
  if (count < 4) return 1 << (count - 1);
  if (count < 8) return 8;
  if (count < 16) return 16;
  if (count < 32) return 32;
  return count < 128 ? 64 : 128;
}
