// Fuzzes the request decoder; what it takes, our encoder writes and it takes again as the same.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { decodeBhttpRequest, encodeBhttpRequest } from '../../../shared/sealing/bhttp-request.ts';
import { SealingError } from '../../../shared/sealing/sealing-error.ts';
import { allow, must } from './allow.ts';

export function fuzz(input: Bytes): void {
  const limits = { maxHeaderBytes: 256 };
  const request = allow(() => decodeBhttpRequest(input, limits), SealingError);
  if (request === undefined) return;
  const again = decodeBhttpRequest(encodeBhttpRequest(request), limits);
  must(JSON.stringify(again) === JSON.stringify(request), 'the request comes out as another');
}
