// The rank-sum test of Mann and Whitney: whether two samples come from one distribution, whatever that is.

/**
 * Two-sided p value by the normal approximation with continuity correction (Mann and Whitney 1947); good enough from eight values a side.
 * Ties count half.
 */
export function rankSumP(a: readonly number[], b: readonly number[]): number {
  let u = 0;
  for (const x of a) for (const y of b) u += x < y ? 1 : x === y ? 0.5 : 0;
  const pairs = a.length * b.length;
  const deviation = Math.sqrt((pairs * (a.length + b.length + 1)) / 12);
  const z = Math.max(0, Math.abs(u - pairs / 2) - 0.5) / deviation;
  return 2 * upperTail(z);
}

// Abramowitz and Stegun 7.1.26: the error is below 1.5e-7.
function upperTail(z: number): number {
  const x = z / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const poly =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return (poly * Math.exp(-x * x)) / 2;
}
