// Fuzzes parseCertificate: it gives a value or an EvidenceError.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { parseCertificate } from '../../../shared/evidence/x509.ts';
import { allow } from './allow.ts';

export function fuzz(input: Bytes): void {
  allow(() => parseCertificate(input), EvidenceError);
}
