// Translates a caller's JSON schema to the part of JSON schema that the grammar builder keeps, and refuses the rest.

import { ApiError } from './api-error.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Deeper schemas are refused: the grammar is built by recursion. */
export const MAX_SCHEMA_DEPTH = 32;

const PARAM = 'response_format.json_schema.schema';
const REFERENCE = '#/$defs/';
/** Kept as they are. */
const VALUES = [
  'type',
  'enum',
  'const',
  'required',
  'minProperties',
  'maxProperties',
  'minItems',
  'maxItems',
  'minLength',
  'maxLength',
];
/** They describe; nothing depends on them. */
const NOTES = ['title', 'description', 'default', 'examples', '$schema', '$id', '$comment', 'deprecated'];
const FORMATS: readonly unknown[] = ['date-time', 'time', 'date'];

/**
 * The schema for the grammar. A keyword that the builder would silently drop is refused by name instead: an answer that
 * looks as if it followed the schema is worse than none.
 * @throws ApiError `invalid_value`.
 */
export function toGrammarSchema(schema: JsonObject): JsonObject {
  const definitions = Object.keys(asObject(schema.$defs ?? {}));
  return translate(schema, definitions, 1);
}

function translate(schema: JsonObject, definitions: readonly string[], depth: number): JsonObject {
  if (depth > MAX_SCHEMA_DEPTH) throw refusal(`is deeper than the limit of ${MAX_SCHEMA_DEPTH} levels`);
  const below = (value: unknown) => translate(asObject(value), definitions, depth + 1);
  const result: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (NOTES.includes(keyword)) continue;
    if (VALUES.includes(keyword)) result[keyword] = value;
    else if (keyword === 'properties' || (keyword === '$defs' && depth === 1))
      result[keyword] = each(value, below);
    else if (keyword === 'items') result.items = below(value);
    else if (keyword === 'additionalProperties')
      result[keyword] = typeof value === 'boolean' ? value : below(value);
    else if (keyword === 'prefixItems') result.prefixItems = asList(value).map(below);
    // A grammar takes the first alternative that matches: for generating, both mean the same.
    else if (keyword === 'oneOf' || keyword === 'anyOf') result.oneOf = asList(value).map(below);
    else if (keyword === 'format' && FORMATS.includes(value)) result.format = value;
    else if (keyword === '$ref') result.$ref = reference(value, definitions);
    else throw refusal(`has the keyword ${keyword.slice(0, 40)}, which this engine cannot follow`);
  }
  if (Array.isArray(result.type) && result.type.some((type) => type === 'object' || type === 'array'))
    throw refusal('lists object or array among several types: use anyOf');
  return result;
}

function reference(value: unknown, definitions: readonly string[]): unknown {
  const name =
    typeof value === 'string' && value.startsWith(REFERENCE) ? value.slice(REFERENCE.length) : undefined;
  if (name === undefined || !definitions.includes(name)) throw refusal('has a $ref to nothing in its $defs');
  return value;
}

function each(value: unknown, change: (item: unknown) => JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(asObject(value)).map(([name, item]) => [name, change(item)]));
}

function asObject(value: unknown): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refusal('is no JSON schema');
  return value as JsonObject;
}

function asList(value: unknown): unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw refusal('is no JSON schema');
  return value;
}

function refusal(what: string): ApiError {
  return new ApiError('invalid_value', `The JSON schema ${what}.`, PARAM);
}
