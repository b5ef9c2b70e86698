// What a parser may throw: the typed error of its room, and nothing else.

type ErrorClass = abstract new (...args: never[]) => Error;

/** Runs a parser; passes on whatever is not one of the allowed errors. */
export function allow<T>(parse: () => T, ...allowed: readonly ErrorClass[]): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (allowed.some((kind) => error instanceof kind)) return undefined;
    throw error;
  }
}

/** The same for what answers later. */
export async function allowLater<T>(
  parse: () => Promise<T>,
  ...allowed: readonly ErrorClass[]
): Promise<T | undefined> {
  try {
    return await parse();
  } catch (error) {
    if (allowed.some((kind) => error instanceof kind)) return undefined;
    throw error;
  }
}

/** Fails the run when what must hold does not. */
export function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}
