// Fuzzes parseTdxQuote: it gives a value or an EvidenceError.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { parseTdxQuote } from '../../../shared/evidence/tdx-quote.ts';
import { allow } from './allow.ts';

export function fuzz(input: Bytes): void {
  allow(() => parseTdxQuote(input), EvidenceError);
}
