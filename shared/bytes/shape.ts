// Small checkers for parsed JSON: unknown members refused, every problem reported at once with its path.

import { fromBase64url } from './base64url.ts';
import type { Bytes } from './concat.ts';
import { parseInstant } from './instant.ts';

/** One thing that is wrong, and where: `deployments[0].name`; the empty path is the whole value. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

/** Reads a value or says what is wrong with it: undefined exactly when it added a problem. */
export type Shape<T> = (value: unknown, path: string, problems: Problem[]) => T | undefined;

/** Applies a shape: the value, or all problems. */
export function readShape<T>(
  shape: Shape<T>,
  value: unknown,
): { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const result = shape(value, '', problems);
  return result === undefined || problems.length > 0 ? { ok: false, problems } : { ok: true, value: result };
}

type Members<T> = { readonly [K in keyof T]-?: Shape<Exclude<T[K], undefined>> };

/** An object with exactly these members; those named in `optional` may be absent. */
export function object<T extends object>(
  members: Members<T>,
  optional: readonly (keyof T & string)[] = [],
): Shape<T> {
  return (value, path, problems) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return refuse(path, 'must be an object', problems);
    const before = problems.length;
    const given = value as Record<string, unknown>;
    for (const name of Object.keys(given))
      if (!Object.hasOwn(members, name)) refuse(join(path, name), 'unknown member', problems);
    const result: Record<string, unknown> = {};
    for (const name of Object.keys(members) as (keyof T & string)[]) {
      if (Object.hasOwn(given, name)) result[name] = members[name](given[name], join(path, name), problems);
      else if (!optional.includes(name)) refuse(join(path, name), 'missing', problems);
    }
    return problems.length > before ? undefined : (result as T);
  };
}

/** An array whose length lies in the range and whose items all have the shape. */
export function list<T>(item: Shape<T>, minimum: number, maximum: number): Shape<readonly T[]> {
  return (value, path, problems) => {
    if (!Array.isArray(value)) return refuse(path, 'must be an array', problems);
    if (value.length < minimum || value.length > maximum)
      return refuse(path, `must have ${minimum} to ${maximum} items`, problems);
    const before = problems.length;
    const items = value.map((entry, index) => item(entry, `${path}[${index}]`, problems));
    return problems.length > before ? undefined : (items as T[]);
  };
}

/** The first shape when the value is a string equal to `word`, else the second. */
export function wordOr<W extends string, T>(word: W, shape: Shape<T>): Shape<W | T> {
  return (value, path, problems) => (value === word ? word : shape(value, path, problems));
}

/**
 * The shape that a member of the value names, such as `kind`. A value that names none is read with the shape of `fallback`,
 * which says what is wrong with the member.
 */
export function byMember<T>(
  member: string,
  fallback: string,
  shapes: Readonly<Record<string, Shape<T>>>,
): Shape<T> {
  return (value, path, problems) => {
    const named =
      typeof value === 'object' && value !== null && Object.hasOwn(value, member)
        ? (value as Record<string, unknown>)[member]
        : undefined;
    const name = typeof named === 'string' && Object.hasOwn(shapes, named) ? named : fallback;
    return (shapes[name] as Shape<T>)(value, path, problems);
  };
}

/** One of these values, compared by identity. */
export function oneOf<const T extends string | number | boolean | null>(...allowed: readonly T[]): Shape<T> {
  return (value, path, problems) => {
    const found = allowed.find((candidate) => candidate === value);
    return found === undefined
      ? refuse(
          path,
          `must be ${allowed.map((candidate) => JSON.stringify(candidate)).join(' or ')}`,
          problems,
        )
      : found;
  };
}

/** true or false. */
export const boolean: Shape<boolean> = (value, path, problems) =>
  typeof value === 'boolean' ? value : refuse(path, 'must be true or false', problems);

/** A whole number in the range, both ends included. */
export function integer(minimum: number, maximum: number): Shape<number> {
  return (value, path, problems) =>
    Number.isSafeInteger(value) && (value as number) >= minimum && (value as number) <= maximum
      ? (value as number)
      : refuse(path, `must be a whole number from ${minimum} to ${maximum}`, problems);
}

/** Text that the pattern matches; `description` completes "must be …". */
export function text(pattern: RegExp, description: string): Shape<string> {
  return (value, path, problems) =>
    typeof value === 'string' && pattern.test(value)
      ? value
      : refuse(path, `must be ${description}`, problems);
}

/** Lower-case hex of exactly so many octets, kept as text. */
export function hexText(octets: number): Shape<string> {
  return text(new RegExp(`^[0-9a-f]{${2 * octets}}$`), `lower-case hex of ${octets} octets`);
}

/** base64url without padding, decoded; the length in octets lies in the range. */
export function octets(minimum: number, maximum: number = minimum): Shape<Bytes> {
  return (value, path, problems) => {
    const description =
      minimum === maximum ? `base64url of ${minimum} octets` : `base64url of ${minimum} to ${maximum} octets`;
    if (typeof value !== 'string' || value.length > Math.ceil((maximum * 4) / 3))
      return refuse(path, `must be ${description}`, problems);
    try {
      const decoded = fromBase64url(value);
      if (decoded.length >= minimum && decoded.length <= maximum) return decoded;
    } catch {
      // falls through to the one refusal
    }
    return refuse(path, `must be ${description}`, problems);
  };
}

/** A point in time as `2027-01-31T23:59:59Z`. */
export const instant: Shape<Date> = (value, path, problems) => {
  const date = typeof value === 'string' ? parseInstant(value) : undefined;
  return date ?? refuse(path, 'must be a time such as 2027-01-31T23:59:59Z', problems);
};

/** Adds a rule to a shape; `broken` gives the message when the value breaks it. */
export function rule<T>(shape: Shape<T>, broken: (value: T) => string | undefined): Shape<T> {
  return (value, path, problems) => {
    const result = shape(value, path, problems);
    const message = result === undefined ? undefined : broken(result);
    return message === undefined ? result : refuse(path, message, problems);
  };
}

/** Adds a problem and gives undefined, which is what a shape returns then. */
export function refuse(path: string, message: string, problems: Problem[]): undefined {
  problems.push({ path, message });
  return undefined;
}

// Names come from strangers and end up on terminals.
function join(path: string, name: string): string {
  const member = /^[A-Za-z_][A-Za-z0-9_-]*$/.test(name)
    ? name
    : JSON.stringify(name.slice(0, 40).replaceAll(/[^ -~]/g, '?'));
  return path === '' ? member : `${path}.${member}`;
}
