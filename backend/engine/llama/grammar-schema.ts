// Translates a caller's JSON schema to the part of JSON schema that the grammar builder keeps, and refuses the rest.

import { ApiError } from './api-error.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Deeper schemas are refused: the grammar is built by recursion. */
export const MAX_SCHEMA_DEPTH = 32;

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
export function toGrammarSchema(schema: JsonObject, param: string): JsonObject {
  return inFull(schema, { strict: true, refuse: refusalOf(param) });
}

/**
 * The schema of a tool's parameters. Without `strict` a call is promised to be JSON with the types and names of the schema, and no more:
 * keywords that no grammar follows are left out, and descriptions stay, because the model reads them.
 * @throws ApiError `invalid_value` for what is no schema, or too deep.
 */
export function toToolSchema(schema: JsonObject, param: string): JsonObject {
  const { type = 'object', ...others } = schema;
  return inFull({ type, ...others }, { strict: false, refuse: refusalOf(param) });
}

interface Rules {
  readonly strict: boolean;
  readonly refuse: (what: string) => ApiError;
}

function refusalOf(param: string): Rules['refuse'] {
  return (what) => new ApiError('invalid_value', `The JSON schema ${what}.`, param);
}

function inFull(schema: JsonObject, rules: Rules): JsonObject {
  const definitions = Object.keys(asObject(schema.$defs ?? {}, rules));
  return translate(schema, definitions, 1, rules);
}

function translate(
  schema: JsonObject,
  definitions: readonly string[],
  depth: number,
  rules: Rules,
): JsonObject {
  const { strict, refuse } = rules;
  if (depth > MAX_SCHEMA_DEPTH) throw refuse(`is deeper than the limit of ${MAX_SCHEMA_DEPTH} levels`);
  const below = (value: unknown) => translate(asObject(value, rules), definitions, depth + 1, rules);
  const each = (value: unknown): JsonObject =>
    Object.fromEntries(Object.entries(asObject(value, rules)).map(([name, item]) => [name, below(item)]));
  const result: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (!strict && keyword === 'description' && typeof value === 'string') result.description = value;
    if (NOTES.includes(keyword)) continue;
    if (VALUES.includes(keyword)) result[keyword] = value;
    else if (keyword === 'properties' || (keyword === '$defs' && depth === 1)) result[keyword] = each(value);
    else if (keyword === 'items') result.items = below(value);
    else if (keyword === 'additionalProperties')
      result[keyword] = typeof value === 'boolean' ? value : below(value);
    else if (keyword === 'prefixItems') result.prefixItems = asList(value, rules).map(below);
    // A grammar takes the first alternative that matches: for generating, both mean the same.
    else if (keyword === 'oneOf' || keyword === 'anyOf') result.oneOf = asList(value, rules).map(below);
    else if (keyword === 'format' && FORMATS.includes(value)) result.format = value;
    else if (keyword === '$ref') result.$ref = reference(value, definitions, rules);
    else if (strict) throw refuse(`has the keyword ${keyword.slice(0, 40)}, which this engine cannot follow`);
  }
  if (!Array.isArray(result.type) || !result.type.some((type) => type === 'object' || type === 'array'))
    return result;
  if (strict) throw refuse('lists object or array among several types: use anyOf');
  const { type: types, ...others } = result;
  return { oneOf: (types as unknown[]).map((type) => ({ ...others, type })) };
}

function reference(value: unknown, definitions: readonly string[], { refuse }: Rules): unknown {
  const name =
    typeof value === 'string' && value.startsWith(REFERENCE) ? value.slice(REFERENCE.length) : undefined;
  if (name === undefined || !definitions.includes(name)) throw refuse('has a $ref to nothing in its $defs');
  return value;
}

function asObject(value: unknown, { refuse }: Rules): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('is no JSON schema');
  return value as JsonObject;
}

function asList(value: unknown, { refuse }: Rules): unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw refuse('is no JSON schema');
  return value;
}
