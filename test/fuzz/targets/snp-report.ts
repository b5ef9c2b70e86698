// Fuzzes parseSnpReport: it gives a value or an EvidenceError.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { parseSnpReport } from '../../../shared/evidence/snp-report.ts';
import { allow } from './allow.ts';

export function fuzz(input: Bytes): void {
  allow(() => parseSnpReport(input), EvidenceError);
}
