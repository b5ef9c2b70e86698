// Fuzzes parseStatement: it gives a value or an EvidenceError.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { parseStatement } from '../../../shared/evidence/node-statement.ts';
import { allow } from './allow.ts';

export function fuzz(input: Bytes): void {
  allow(() => parseStatement(input), EvidenceError);
}
