// Turns what an observer sees of a sealed answer into numbers for a classifier: totals, sizes, gaps, their order and places.

import type { SparseVector } from './classifier.ts';
import type { Replay } from './replay-stream.ts';

type Seen = Replay['seen'];

/** Sizes and size sequences in a smaller share of the training streams are left out, and those in fewer than four. */
const LEAST_SHARE = 0.008;
const LEAST_COUNT = 4;
const POSITIONS = 40;
const QUANTILES = 8;
const GAP_STEPS = 24;

/** Features learned from training streams; a vector for any stream. */
export interface FeatureSpace {
  readonly length: number;
  vector(seen: Seen): SparseVector;
}

/** Named amounts of one stream. */
function* amounts(seen: Seen): Generator<readonly [string, number]> {
  const sizes = seen.map(({ octets }) => octets);
  const gaps = seen.slice(1).map(({ at }, i) => at - (seen[i]?.at ?? 0));
  const last = sizes.length - 1;
  for (let i = 0; i <= last; i++) {
    yield [`size ${sizes[i]}`, 1];
    if (i < POSITIONS) yield [`at ${i}: ${sizes[i]}`, 1];
    // The same from the end, because answers end alike.
    if (last - i < 6) yield [`end ${last - i}: ${sizes[i]}`, 1];
    if (i > 0) yield [`pair ${sizes[i - 1]} ${sizes[i]}`, 1];
    if (i > 1) yield [`triple ${sizes[i - 2]} ${sizes[i - 1]} ${sizes[i]}`, 1];
    const gap = gaps[i];
    if (gap !== undefined) {
      yield [`gap ${gapStep(gap)}`, 1];
      if (i < POSITIONS) yield [`gap ${i}`, Math.log1p(gap)];
    }
  }
}

/** Amounts of which not the value but the place in the training streams' order counts, too. */
function summary(seen: Seen): number[] {
  const sizes = seen.map(({ octets }) => octets);
  const gaps = seen.slice(1).map(({ at }, i) => at - (seen[i]?.at ?? 0));
  const total = sizes.reduce((sum, octets) => sum + octets, 0);
  const end = seen.at(-1)?.at ?? 0;
  const firstLarge = seen.find(({ octets }, i) => i > 2 && octets > 0)?.at ?? 0;
  const inner = sizes.slice(3, -3);
  const innerTotal = inner.reduce((sum, octets) => sum + octets, 0);
  return [
    total,
    sizes.length,
    end,
    total / Math.max(end, 1),
    firstLarge,
    innerTotal / Math.max(inner.length, 1),
    ...quantiles(sizes),
    ...quantiles(gaps),
    ...[0.25, 0.5, 0.75].map((share) => {
      let sum = 0;
      return sizes.findIndex((octets) => {
        sum += octets;
        return sum >= share * total;
      });
    }),
    spread(inner),
    spread(gaps),
  ];
}

/** Learns the features from training streams. */
export function learnFeatures(training: readonly Seen[]): FeatureSpace {
  const counts = new Map<string, number>();
  for (const seen of training) {
    for (const name of new Set([...amounts(seen)].map(([name]) => name)))
      counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const least = Math.max(LEAST_COUNT, LEAST_SHARE * training.length);
  const index = new Map<string, number>();
  for (const [name, count] of counts) if (count >= least) index.set(name, index.size);
  const summaries = training.map(summary);
  const columns = (summaries[0] ?? []).map((_, i) => summaries.map((row) => row[i] as number));
  const cuts = columns.map((column) => [...new Set(quantiles(column, QUANTILES))]);
  const width = index.size + columns.length + cuts.reduce((sum, places) => sum + places.length, 0);

  const raw = (seen: Seen): Float64Array => {
    const vector = new Float64Array(width);
    for (const [name, amount] of amounts(seen)) {
      const at = index.get(name);
      if (at !== undefined) vector[at] = (vector[at] as number) + amount;
    }
    // A count says more by its root: the tenth of a kind is less news than the first.
    for (let i = 0; i < index.size; i++) vector[i] = Math.sqrt(vector[i] as number);
    let at = index.size;
    for (const [i, value] of summary(seen).entries()) {
      vector[at++] = value;
      for (const place of cuts[i] ?? []) vector[at++] = value > place ? 1 : 0;
    }
    return vector;
  };
  const rows = training.map(raw);
  const mean = new Float64Array(width);
  const scale = new Float64Array(width);
  for (const row of rows)
    for (let i = 0; i < width; i++) mean[i] = (mean[i] as number) + (row[i] as number) / rows.length;
  for (const row of rows)
    for (let i = 0; i < width; i++)
      scale[i] = (scale[i] as number) + ((row[i] as number) - (mean[i] as number)) ** 2 / rows.length;
  for (let i = 0; i < width; i++) {
    scale[i] = 1 / Math.max(Math.sqrt(scale[i] as number), 0.05);
    // Amounts stay sparse: what is not there is zero, wherever the mean is.
    if (i < index.size) mean[i] = 0;
  }
  return {
    length: width,
    vector(seen) {
      const dense = raw(seen).map((amount, i) => {
        const scaled = (amount - (mean[i] as number)) * (scale[i] as number);
        return Math.max(-8, Math.min(8, scaled));
      });
      const at = Uint32Array.from(dense.keys()).filter((i) => dense[i] !== 0);
      return { at, value: Float64Array.from(at, (i) => dense[i] as number) };
    },
  };
}

function quantiles(values: readonly number[], count = 5): number[] {
  const sorted = values.toSorted((a, b) => a - b);
  return Array.from(
    { length: count },
    (_, i) => sorted[Math.floor(((i + 0.5) / count) * sorted.length)] ?? 0,
  );
}

function spread(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(values.length, 1));
}

function gapStep(gap: number): number {
  return Math.min(GAP_STEPS, Math.round(2 * Math.log2(1 + gap)));
}
