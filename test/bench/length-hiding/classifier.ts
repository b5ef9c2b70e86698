// A softmax regression over topics, and the area under its curves.

/** A vector of which most entries are zero. */
export interface SparseVector {
  /** Places of the others. */
  readonly at: Uint32Array;
  readonly value: Float64Array;
}

/** Log-probabilities of each class for one vector. */
export type Classifier = (vector: SparseVector) => Float64Array;

/** How a classifier is trained. */
export interface Training {
  readonly classes: number;
  /** Length of the vectors. */
  readonly width: number;
  /** Strength of the pull of weights towards zero. */
  readonly decay: number;
  readonly rounds?: number;
}

/** Trains on scaled vectors with full gradients and Adam; starts from zero, so the same input gives the same result. */
export function train(
  vectors: readonly SparseVector[],
  labels: readonly number[],
  { classes, width: entries, decay, rounds = 120 }: Training,
): Classifier {
  const width = entries + 1;
  const weights = new Float64Array(classes * width);
  const gradient = new Float64Array(classes * width);
  const first = new Float64Array(classes * width);
  const second = new Float64Array(classes * width);
  for (let round = 1; round <= rounds; round++) {
    for (let i = 0; i < weights.length; i++) gradient[i] = decay * (weights[i] as number);
    for (const [at, vector] of vectors.entries()) {
      const logs = logProbabilities(weights, vector, classes, width);
      for (let c = 0; c < classes; c++) {
        const error = (Math.exp(logs[c] as number) - (labels[at] === c ? 1 : 0)) / vectors.length;
        const base = c * width;
        for (let i = 0; i < vector.at.length; i++) {
          const place = base + (vector.at[i] as number);
          gradient[place] = (gradient[place] as number) + error * (vector.value[i] as number);
        }
        gradient[base + width - 1] = (gradient[base + width - 1] as number) + error;
      }
    }
    const rate = 0.02 / Math.sqrt(1 + round / 50);
    for (let i = 0; i < weights.length; i++) {
      const g = gradient[i] as number;
      first[i] = 0.9 * (first[i] as number) + 0.1 * g;
      second[i] = 0.99 * (second[i] as number) + 0.01 * g * g;
      const step = (first[i] as number) / (1 - 0.9 ** round);
      weights[i] =
        (weights[i] as number) -
        (rate * step) / (Math.sqrt((second[i] as number) / (1 - 0.99 ** round)) + 1e-8);
    }
  }
  return (vector) => logProbabilities(weights, vector, classes, width);
}

function logProbabilities(
  weights: Float64Array,
  { at, value }: SparseVector,
  classes: number,
  width: number,
): Float64Array {
  const logits = new Float64Array(classes);
  for (let c = 0; c < classes; c++) {
    const base = c * width;
    let sum = weights[base + width - 1] as number;
    for (let i = 0; i < at.length; i++)
      sum += (weights[base + (at[i] as number)] as number) * (value[i] as number);
    logits[c] = sum;
  }
  return normalise(logits);
}

/** Log-probabilities that sum to one. */
export function normalise(logits: Float64Array): Float64Array {
  const most = Math.max(...logits);
  const total = most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
  return logits.map((logit) => logit - total);
}

/** Chance that a random positive scores above a random negative; ties count half. 0.5 is guessing. */
export function areaUnderCurve(scores: readonly number[], positive: readonly boolean[]): number {
  const order = scores
    .map((score, i) => ({ score, positive: positive[i] === true }))
    .toSorted((a, b) => a.score - b.score);
  let rankSum = 0;
  let positives = 0;
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && order[end]?.score === order[start]?.score) end++;
    const rank = (start + 1 + end) / 2;
    for (let i = start; i < end; i++)
      if (order[i]?.positive) {
        rankSum += rank;
        positives++;
      }
    start = end;
  }
  const negatives = order.length - positives;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}
