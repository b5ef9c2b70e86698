// Where a driver gets what the vendor says about its evidence: certificates, revocation lists and collateral.

import type { Bytes } from '../../shared/bytes/concat.ts';
import type { SnpEvidence, TdxEvidence } from '../../shared/evidence/bundle.ts';

/** Everything but the report. */
export type SnpEndorsements = Pick<SnpEvidence, 'leaf' | 'ask' | 'ark' | 'crl'>;
/** Everything but the quote. */
export type TdxEndorsements = Pick<TdxEvidence, 'tcbInfo' | 'qeIdentity' | 'pckCrl' | 'rootCrl'>;

/** Certificates that the host gave with a report; it may have stored them before a firmware update. */
export type OfferedCertificates = Partial<Pick<SnpEvidence, 'leaf' | 'ask' | 'ark'>>;

/** Nothing that it gives is believed: whoever verifies checks every signature up to a pinned root. */
export interface EndorsementSource {
  /**
   * For a report of 1184 octets.
   * @param offered  what the host gave, to be used where it still fits the report.
   * @throws TeeError `tee_endorsements_unavailable`.
   */
  forSnpReport(report: Bytes, offered: OfferedCertificates): Promise<SnpEndorsements>;
  /**
   * For a quote with its chain inside.
   * @throws TeeError `tee_endorsements_unavailable`.
   */
  forTdxQuote(quote: Bytes): Promise<TdxEndorsements>;
}
