// Fuzzes parseBundle: it gives a value or an EvidenceError.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { parseBundle } from '../../../shared/evidence/bundle.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { allow } from './allow.ts';

export function fuzz(input: Bytes): void {
  allow(() => parseBundle(input), EvidenceError);
}
