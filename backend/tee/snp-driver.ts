// SEV-SNP on Linux: the report by whichever interface the kernel has, the endorsements from the host or from AMD.
// Not run on hardware yet; the pieces are tested as each of their files says.

import type { Bytes } from '../../shared/bytes/concat.ts';
import { SNP_REPORT_BYTES } from '../../shared/evidence/snp-report.ts';
import type { EndorsementSource } from './endorsement-source.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { readCertificateTable } from './sev-guest/certificate-table.ts';
import { type TeeDriver, TeeError } from './tee-driver.ts';

/** Asks for a report over 64 octets; `auxiliary` is the host's table of certificates. */
export type RequestSnpReport = (
  reportData: Bytes,
) => Promise<{ readonly report: Bytes; readonly auxiliary: Bytes }>;

/** A driver over one interface. Reports are asked for one after the other. */
export function createSnpDriver(options: {
  readonly requestReport: RequestSnpReport;
  readonly endorsements: EndorsementSource;
}): TeeDriver {
  const { requestReport, endorsements } = options;
  const queue = oneAtATime();
  return {
    kind: 'sev-snp',
    assurance: 'hardware',
    attest: ({ reportData }) =>
      queue(async () => {
        const { report, auxiliary } = await requestReport(reportData);
        if (report.length !== SNP_REPORT_BYTES)
          throw new TeeError('tee_answer_malformed', 'the kernel gave a report of another length');
        const offered = readCertificateTable(auxiliary);
        return { kind: 'sev-snp', report, ...(await endorsements.forSnpReport(report, offered)) };
      }),
  };
}
