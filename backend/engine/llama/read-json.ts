// Reads a request's body as JSON, up to a limit.

import type { IncomingMessage } from 'node:http';
import { ApiError } from './api-error.ts';

/** The largest body that the server reads: far more than any context holds. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;

/**
 * The parsed body.
 * @throws ApiError `request_too_large` or `invalid_json`.
 */
export async function readJson(incoming: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of incoming as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MAX_BODY_BYTES)
      throw new ApiError('request_too_large', `The limit of a request is ${MAX_BODY_BYTES} octets.`);
    parts.push(part);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts)));
  } catch {
    throw new ApiError('invalid_json', 'The body is not valid JSON.');
  }
}
