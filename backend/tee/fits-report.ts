// Whether a VCEK or VLEK belongs to a report: so that a driver asks for the right one, and not to verify anything.

import type { Bytes } from '../../shared/bytes/concat.ts';
import { equalBytes } from '../../shared/bytes/equal.ts';
import { readLeafExtensions } from '../../shared/evidence/amd-extensions.ts';
import { parseSnpReport, productOf, readTcbs } from '../../shared/evidence/snp-report.ts';
import { type SnpProduct, tcbEqual } from '../../shared/evidence/tcb.ts';
import { parseCertificate } from '../../shared/evidence/x509.ts';
import type { OfferedCertificates } from './endorsement-source.ts';

/** Whether a leaf is for the chip and the firmware that a report names. Says nothing about signatures. */
export function fitsReport(leaf: NonNullable<OfferedCertificates['leaf']>, reportOctets: Bytes): boolean {
  try {
    const report = parseSnpReport(reportOctets);
    const { tcb, holder, structVersion, productName } = readLeafExtensions(
      parseCertificate(leaf.certificate),
    );
    if (holder.kind !== leaf.kind || report.signingKey !== leaf.kind) return false;
    if (holder.kind === 'vcek' && !equalBytes(holder.hwId, report.chipId.subarray(0, holder.hwId.length)))
      return false;
    // Version 2 names no processor: it comes from Milan or Genoa, whose layouts agree.
    const product: SnpProduct | undefined = report.cpu
      ? productOf(report.cpu)
      : productName.startsWith('Milan')
        ? 'Milan'
        : 'Genoa';
    if (product === undefined || (product === 'Turin') !== (structVersion === 1)) return false;
    const { reported } = readTcbs(report, product);
    return tcbEqual(reported, tcb);
  } catch {
    return false;
  }
}
