// The one error of this room: bytes that are not what they claim to be.

/** Closed set. Each is also a verification code of `shared/verifier`. */
export type EvidenceErrorCode =
  | 'evidence_too_large'
  | 'evidence_bundle_malformed'
  | 'evidence_statement_malformed'
  | 'evidence_core_malformed'
  | 'evidence_report_malformed'
  | 'evidence_certificate_malformed'
  | 'evidence_algorithm_unsupported'
  | 'evidence_crl_malformed'
  | 'evidence_ocsp_malformed'
  | 'evidence_gpu_report_malformed'
  | 'evidence_nras_malformed'
  | 'evidence_hcl_malformed'
  | 'evidence_tpm_quote_malformed'
  | 'evidence_quote_malformed'
  | 'evidence_collateral_malformed'
  | 'evidence_collateral_absent'
  | 'evidence_result_header'
  | 'evidence_result_malformed';

/** Evidence that a strict parser refused. `detail` is a fixed phrase or a path, never octets of the input. */
export class EvidenceError extends Error {
  override readonly name = 'EvidenceError';
  readonly code: EvidenceErrorCode;
  readonly detail: string;
  constructor(code: EvidenceErrorCode, detail: string) {
    super(`${code}: ${detail}`);
    this.code = code;
    this.detail = detail;
  }
}
