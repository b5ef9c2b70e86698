// Reads the JSON body of a request in one way only, and keeps its text, so that what nobody changes leaves as it came.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { fromUtf8, toUtf8 } from '../../../shared/bytes/utf8.ts';
import { Refusal } from '../refusal.ts';
import { REQUEST_LIMIT } from './request-limits.ts';
import { type OuterMember, scanJson, type TextRange } from './scan-json.ts';

/** A parsed JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A request's body: one JSON object. */
export interface JsonBody {
  readonly octets: Bytes;
  readonly value: JsonObject;
  /**
   * The same, for writing it again: JSON.stringify gives every number as the client wrote it, also where no double holds it.
   * @throws Refusal `limit_exceeded` for too many of those.
   */
  readonly exact: JsonObject;
  /** The body without `removed` and with `added` (name and value, in order) at its end; every other member is the client's own octets. */
  edit(removed: ReadonlySet<string>, added: readonly (readonly [string, unknown])[]): Bytes;
}

/**
 * Reads a body.
 * @throws Refusal `limit_exceeded` for its size or depth; `invalid_request` for anything but one JSON object without equal names.
 */
export function readJsonBody(octets: Bytes): JsonBody {
  if (octets.length > REQUEST_LIMIT.bodyBytes)
    throw new Refusal('limit_exceeded', {
      message: `The limit of the body is ${REQUEST_LIMIT.bodyBytes} octets.`,
      param: 'body',
    });
  const text = orNotReadable(() => fromUtf8(octets));
  const { jsonDepth, jsonValues } = REQUEST_LIMIT;
  const scan = orNotReadable(() => scanJson(text, jsonDepth, jsonValues));
  if (scan.problem === 'too deep')
    throw new Refusal('limit_exceeded', {
      message: `The limit of the body’s depth is ${REQUEST_LIMIT.jsonDepth} objects and arrays inside one another.`,
      param: 'body',
    });
  if (scan.problem === 'too many')
    throw new Refusal('limit_exceeded', {
      message: `The limit of the body is ${REQUEST_LIMIT.jsonValues} values.`,
      param: 'body',
    });
  if (scan.problem !== undefined) throw notReadable('A member name may occur once in an object.');
  const object = asObject(orNotReadable(() => JSON.parse(text)));
  if (object === undefined) throw notReadable('The body must be a JSON object.');
  return {
    octets,
    value: object,
    get exact() {
      return scan.wideNumbers.length > 0 ? parseExactly(text, scan.wideNumbers) : object;
    },
    edit: (removed, added) => editMembers({ octets, text, members: scan.members }, removed, added),
  };
}

/** The value when it is a JSON object. */
export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined;
}

function orNotReadable<T>(read: () => T): T {
  try {
    return read();
  } catch {
    throw notReadable('The body must be JSON in UTF-8.');
  }
}

/** ECMAScript 2026, "JSON.parse source text access"; in V8 since 11.4. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

// Not with a reviver, which would be called for every value and cost a second for each 100 000 of them.
function parseExactly(text: string, wideNumbers: readonly TextRange[]): JsonObject {
  if (wideNumbers.length > REQUEST_LIMIT.wideNumbers)
    throw new Refusal('limit_exceeded', {
      message: `The limit of the body is ${REQUEST_LIMIT.wideNumbers} numbers that are long or have an exponent.`,
      param: 'body',
    });
  const mark = `${crypto.randomUUID()}:`;
  const pieces: string[] = [];
  let at = 0;
  for (const { start, end } of wideNumbers) {
    pieces.push(text.slice(at, start), `"${mark}${text.slice(start, end)}"`);
    at = end;
  }
  pieces.push(text.slice(at));
  return unmark(JSON.parse(pieces.join('')), mark) as JsonObject;
}

// The body's depth is limited before this, so the recursion is, too.
function unmark(value: unknown, mark: string): unknown {
  if (typeof value === 'string') return value.startsWith(mark) ? rawJSON(value.slice(mark.length)) : value;
  if (typeof value !== 'object' || value === null) return value;
  const members = value as Record<string, unknown>;
  for (const name of Object.keys(members)) {
    const before = members[name];
    const after = unmark(before, mark);
    if (after !== before) members[name] = after;
  }
  return value;
}

function editMembers(
  { octets, text, members }: { octets: Bytes; text: string; members: readonly OuterMember[] },
  removed: ReadonlySet<string>,
  added: readonly (readonly [string, unknown])[],
): Bytes {
  const names = new Set([...removed, ...added.map(([name]) => name)]);
  if (added.length === 0 && !members.some(({ name }) => names.has(name))) return octets;
  const kept = members.filter(({ name }) => !names.has(name)).map(({ start, end }) => text.slice(start, end));
  const more = added.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  return toUtf8(`{${[...kept, ...more].join(',')}}`);
}

function notReadable(message: string): Refusal {
  return new Refusal('invalid_request', { message, param: 'body' });
}
