// Holds bodies to their limit: by the declared length before anything is read, and by counting while octets pass.

import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import { Refusal } from './refusal.ts';

/**
 * Refuses a declared length above the limit.
 * @returns the declared length in octets, or undefined when the body is chunked.
 * @throws Refusal `request_too_large`, or `invalid_request` for a length that is no number.
 */
export function checkDeclaredLength(headers: Headers, limitBytes: number): number | undefined {
  const text = headers.get('content-length');
  if (text === null) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new Refusal('invalid_request');
  const length = Number(text);
  if (length > limitBytes) throw new Refusal('request_too_large');
  return length;
}

/**
 * Reads a body whole. For registrations and evidence, which are checked before anything is done with them; never for sealed requests.
 * @throws Refusal `request_too_large` as soon as the limit is passed.
 */
export async function readWithin(request: Request | Response, limitBytes: number): Promise<Bytes> {
  checkDeclaredLength(request.headers, limitBytes);
  let total = 0;
  const parts: Uint8Array[] = [];
  if (request.body !== null)
    for await (const chunk of request.body as ReadableStream<Uint8Array>) {
      total += chunk.length;
      if (total > limitBytes) throw new Refusal('request_too_large');
      parts.push(chunk);
    }
  return concat(...parts);
}
