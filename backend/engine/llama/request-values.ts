// Reads single members of a request: what each must be, and the refusal that names it.

import { ApiError } from './api-error.ts';
import type { JsonObject } from './grammar-schema.ts';

/** The value as an object, or undefined when it is none. */
export function asObject(value: unknown): JsonObject | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as JsonObject;
}

/** The whole body. @throws ApiError `invalid_value` */
export function asBody(json: unknown): JsonObject {
  const body = asObject(json);
  if (body === undefined) throw new ApiError('invalid_value', 'The body must be a JSON object.');
  return body;
}

/** The name of the model. @throws ApiError `invalid_value` */
export function readModel(body: JsonObject): string {
  const { model } = body;
  if (typeof model !== 'string' || model === '') throw invalid('model', 'a string');
  return model;
}

/** A boolean; false when absent or null. @throws ApiError `invalid_value` */
export function flag(value: unknown, param: string): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value !== 'boolean') throw invalid(param, 'true or false');
  return value;
}

/** A whole number in the range, or undefined when absent or null. @throws ApiError `invalid_value` */
export function whole(
  value: unknown,
  param: string,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most)
    return value as number;
  if (most < Number.MAX_SAFE_INTEGER) throw invalid(param, `a whole number between ${least} and ${most}`);
  throw invalid(param, least >= 0 ? `a whole number, ${least} or more` : 'a whole number');
}

/** A number in the range, or undefined when absent or null. @throws ApiError `invalid_value` */
export function within(value: unknown, param: string, low: number, high: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !(value >= low && value <= high))
    throw invalid(
      param,
      low === Number.MIN_VALUE ? `over 0 and at most ${high}` : `between ${low} and ${high}`,
    );
  return value;
}

/** Whether a member says nothing: absent, null, or an empty list or object. */
export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** The refusal of a value. */
export function invalid(param: string, wanted: string): ApiError {
  return new ApiError('invalid_value', `${param} must be ${wanted}.`, param);
}
