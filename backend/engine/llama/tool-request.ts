// Reads the tools that a request offers to the model, and how far the model may choose among them.

import { ApiError } from './api-error.ts';
import { type JsonObject, toGrammarSchema, toToolSchema } from './grammar-schema.ts';
import { asObject, flag, invalid } from './request-values.ts';

/** A function that the model may call. */
export interface Tool {
  readonly name: string;
  readonly description: string | undefined;
  /** What the grammar builder takes; a function without parameters takes an empty object. */
  readonly parameters: JsonObject;
}

/** The tools of a request. */
export interface ToolRequest {
  /** Empty where the request offers none, or forbids their use. */
  readonly tools: readonly Tool[];
  /** `auto`: the model decides. `required`: it calls one. A name: it calls that one. */
  readonly choice: 'auto' | 'required' | { readonly name: string };
  readonly parallel: boolean;
}

export const MAX_TOOLS = 256;
const NAME = /^[A-Za-z0-9_.-]{1,128}$/;
const NONE: ToolRequest = { tools: [], choice: 'auto', parallel: true };

/** @throws ApiError with the member's name as `param`. */
export function readTools(body: JsonObject): ToolRequest {
  const list = body.tools ?? [];
  if (!Array.isArray(list)) throw invalid('tools', 'a list');
  if (list.length > MAX_TOOLS)
    throw new ApiError('invalid_value', `The limit of tools is ${MAX_TOOLS}.`, 'tools');
  const tools = list.map(readTool);
  if (new Set(tools.map(({ name }) => name)).size < tools.length)
    throw new ApiError('invalid_value', 'Two tools have the same name.', 'tools');
  const choice = readChoice(body.tool_choice, tools);
  const parallel = body.parallel_tool_calls ?? true;
  if (choice === 'none' || tools.length === 0) return NONE;
  return { tools, choice, parallel: flag(parallel, 'parallel_tool_calls') };
}

function readTool(value: unknown, index: number): Tool {
  const at = `tools[${index}]`;
  const tool = asObject(value);
  const given = asObject(tool?.function);
  if (tool?.type !== 'function' || given === undefined)
    throw new ApiError(
      'unsupported_parameter',
      'This engine knows tools of type function only.',
      `${at}.type`,
    );
  const { name, description, parameters } = given;
  if (typeof name !== 'string' || !NAME.test(name))
    throw invalid(`${at}.function.name`, 'letters, digits, _, . and -, at most 128');
  const schema = parameters ?? { type: 'object', properties: {} };
  if (asObject(schema) === undefined) throw invalid(`${at}.function.parameters`, 'a JSON schema');
  const param = `${at}.function.parameters`;
  const translate = given.strict === true ? toGrammarSchema : toToolSchema;
  return {
    name,
    description: typeof description === 'string' ? description : undefined,
    parameters: translate(schema as JsonObject, param),
  };
}

function readChoice(value: unknown, tools: readonly Tool[]): ToolRequest['choice'] | 'none' {
  if (value === undefined || value === null || value === 'auto') return 'auto';
  if (value === 'none') return 'none';
  const choice = asObject(value);
  const name = asObject(choice?.function)?.name;
  if (value === 'required' && tools.length > 0) return 'required';
  if (choice?.type === 'function' && typeof name === 'string' && tools.some((tool) => tool.name === name))
    return { name };
  throw invalid('tool_choice', 'none, auto, required, or a function that is among the tools');
}
