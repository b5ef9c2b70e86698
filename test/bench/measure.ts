// Times contenders in turns, so that a busy machine slows all of them alike, and says what a figure is.

/** One figure: a value of ours and a floor from the same run, in the same unit. `ratio` is value / floor. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly floor: number;
  readonly ratio: number;
}

/** What a group of figures yields: a figure, or why there is none on this machine. */
export type Outcome = Figure | { readonly name: string; readonly skipped: string };

/** A group of figures, one file each. */
export type FigureGroup = () => AsyncIterable<Outcome>;

/** A figure, rounded to four significant digits. */
export function figure(name: string, value: number, unit: string, floor: number): Figure {
  const round = (number: number): number => Number(number.toPrecision(4));
  return { name, value: round(value), unit, floor: round(floor), ratio: round(value / floor) };
}

/** Does one operation `times` times. */
export type Contender = (times: number) => void | Promise<void>;

/** A contender from one operation that answers at once. */
export function repeat(operation: () => unknown): Contender {
  return (times) => {
    for (let i = 0; i < times; i++) operation();
  };
}

/** A contender from one operation that answers later. */
export function repeatAsync(operation: () => unknown): Contender {
  return async (times) => {
    for (let i = 0; i < times; i++) await operation();
  };
}

/**
 * Microseconds per operation of every contender: the fastest of `rounds` rounds in which all take turns. The fastest,
 * because whatever else runs on the machine can only add.
 */
export async function measure<Name extends string>(
  contenders: Readonly<Record<Name, Contender>>,
  { rounds = 50, milliseconds = 10 } = {},
): Promise<Record<Name, number>> {
  const names = Object.keys(contenders) as Name[];
  const best = {} as Record<Name, number>;
  const times = {} as Record<Name, number>;
  for (const name of names) {
    await contenders[name](3);
    // Warm up until a batch takes as long as a round should.
    for (let count = 4; ; count *= 2) {
      const took = await time(contenders[name], count);
      times[name] = Math.max(1, Math.round((count * milliseconds) / Math.max(took, 0.01)));
      if (took >= milliseconds / 2) break;
    }
    best[name] = Number.POSITIVE_INFINITY;
  }
  for (let round = 0; round < rounds; round++)
    for (const name of names)
      best[name] = Math.min(best[name], (1000 * (await time(contenders[name], times[name]))) / times[name]);
  return best;
}

async function time(contender: Contender, times: number): Promise<number> {
  const started = performance.now();
  await contender(times);
  return performance.now() - started;
}
