// Reads the JSON body of a request in one way only, and keeps its text, so that what nobody changes leaves as it came.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { fromUtf8, toUtf8 } from '../../../shared/bytes/utf8.ts';
import { Refusal } from '../refusal.ts';
import { REQUEST_LIMIT } from './request-limits.ts';
import { type OuterMember, scanJson } from './scan-json.ts';

/** A parsed JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A request's body: one JSON object. */
export interface JsonBody {
  readonly octets: Bytes;
  readonly value: JsonObject;
  /** The same, for writing it again: JSON.stringify gives every number as the client wrote it, also where no double holds it. */
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
  const { text, value } = parse(octets);
  const scan = scanJson(text, REQUEST_LIMIT.jsonDepth);
  if (scan.problem === 'too deep')
    throw new Refusal('limit_exceeded', {
      message: `The limit of the body’s depth is ${REQUEST_LIMIT.jsonDepth} objects and arrays inside one another.`,
      param: 'body',
    });
  if (scan.problem !== undefined) throw notReadable('A member name may occur once in an object.');
  const object = asObject(value);
  if (object === undefined) throw notReadable('The body must be a JSON object.');
  return {
    octets,
    value: object,
    get exact() {
      return scan.hasWideNumber ? parseExactly(text) : object;
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

function parse(octets: Bytes): { text: string; value: unknown } {
  try {
    const text = fromUtf8(octets);
    return { text, value: JSON.parse(text) };
  } catch {
    throw notReadable('The body must be JSON in UTF-8.');
  }
}

type Reviver = (name: string, value: unknown, context: { readonly source?: string }) => unknown;
/** ECMAScript 2026, "JSON.parse source text access"; in V8 since 11.4. */
const exactJson = JSON as unknown as {
  parse(text: string, reviver: Reviver): unknown;
  rawJSON(text: string): unknown;
};

function parseExactly(text: string): JsonObject {
  const revive: Reviver = (_, value, { source }) =>
    typeof value === 'number' && source !== undefined && JSON.stringify(value) !== source
      ? exactJson.rawJSON(source)
      : value;
  return exactJson.parse(text, revive) as JsonObject;
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
