// What a verification can find wrong: a closed set of codes in two families, and the error that carries them.

import type { EvidenceErrorCode } from '../evidence/evidence-error.ts';
import type { Step } from './step.ts';

/** The bytes are bad: nothing in them can be believed. */
export type EvidenceCode =
  | EvidenceErrorCode
  | 'evidence_manifest_malformed'
  | 'evidence_signatures_malformed'
  | 'evidence_manifest_signature'
  | 'evidence_manifest_history'
  | 'evidence_statement_not_valid_now'
  | 'evidence_core_not_valid_now'
  | 'evidence_kind_unsupported'
  | 'evidence_root_unknown'
  | 'evidence_chain_profile'
  | 'evidence_chain_signature'
  | 'evidence_certificate_not_valid_now'
  | 'evidence_crl_signature'
  | 'evidence_crl_not_valid_now'
  | 'evidence_revoked'
  | 'evidence_signing_key_kind'
  | 'evidence_product_mismatch'
  | 'evidence_tcb_mismatch'
  | 'evidence_chip_mismatch'
  | 'evidence_report_signature'
  | 'evidence_quote_signature'
  | 'evidence_qe_report_signature'
  | 'evidence_qe_binding'
  | 'evidence_qe_identity'
  | 'evidence_tdx_module'
  | 'evidence_collateral_signature'
  | 'evidence_collateral_not_valid_now'
  | 'evidence_collateral_mismatch'
  | 'evidence_gpu_nonce'
  | 'evidence_gpu_fwid'
  | 'evidence_device_foreign'
  | 'evidence_device_missing'
  | 'evidence_nras_keys_absent'
  | 'evidence_nras_key_unknown'
  | 'evidence_nras_signature'
  | 'evidence_nras_issuer'
  | 'evidence_nras_not_valid_now'
  | 'evidence_nras_refused'
  | 'evidence_nras_devices'
  | 'evidence_runtime_data'
  | 'evidence_tpm_quote_signature'
  | 'evidence_pcr_digest'
  | 'evidence_binding'
  | 'evidence_freshness_kind'
  | 'evidence_freshness_nonce'
  | 'evidence_freshness_checkpoint'
  | 'evidence_freshness_stale'
  | 'evidence_service_absent'
  | 'evidence_result_signature'
  | 'evidence_result_stale'
  | 'evidence_result_future'
  | 'evidence_result_foreign';

/** The bytes are genuine, but not what you trust. */
export type PolicyCode =
  | 'policy_manifest_pin'
  | 'policy_manifest_expired'
  | 'policy_manifest_threshold'
  | 'policy_manifest_owners'
  | 'policy_manifest_service'
  | 'policy_manifest_minimum'
  | 'policy_manifest_rollback'
  | 'policy_manifest_forked'
  | 'policy_manifest_immutable'
  | 'policy_manifest_succession'
  | 'policy_manifest_changed'
  | 'policy_manifest_notice'
  | 'policy_manifest_notice_unproven'
  | 'policy_hardware_root'
  | 'policy_role'
  | 'policy_tee'
  | 'policy_debug'
  | 'policy_migration'
  | 'policy_vmpl'
  | 'policy_measurement'
  | 'policy_guest_svn'
  | 'policy_host_data'
  | 'policy_id_block'
  | 'policy_guest_policy'
  | 'policy_product'
  | 'policy_milan'
  | 'policy_tcb_reported'
  | 'policy_tcb_committed'
  | 'policy_tcb_launch'
  | 'policy_provisional_firmware'
  | 'policy_mitigations'
  | 'policy_chip_masked'
  | 'policy_chip_id'
  | 'policy_vlek_provider'
  | 'policy_alias_check'
  | 'policy_platform'
  | 'policy_trailing_octets'
  | 'policy_sept_ve_disable'
  | 'policy_td_attributes'
  | 'policy_xfam'
  | 'policy_rtmr'
  | 'policy_td_config'
  | 'policy_tdx_module'
  | 'policy_tcb_not_supported'
  | 'policy_tcb_status'
  | 'policy_tcb_evaluation'
  | 'policy_platform_id'
  | 'policy_core_manifest'
  | 'policy_deployment'
  | 'policy_surface'
  | 'policy_tee'
  | 'policy_device'
  | 'policy_gpu_absent'
  | 'policy_gpu_architecture'
  | 'policy_gpu_protected_pcie'
  | 'policy_gpu_debug'
  | 'policy_gpu_driver'
  | 'policy_gpu_vbios'
  | 'policy_gpu_measurements'
  | 'policy_gpu_revocation'
  | 'policy_gpu_id'
  | 'policy_gpu_count'
  | 'policy_pcrs'
  | 'policy_secure_boot'
  | 'policy_post_quantum'
  | 'policy_service_unnamed'
  | 'policy_service_role'
  | 'policy_result_absent'
  | 'policy_result_status';

export type VerificationCode = EvidenceCode | PolicyCode;

/** One thing that was found wrong. */
export interface Violation {
  readonly code: VerificationCode;
  /** Name of the step that found it. */
  readonly step: string;
  readonly expected?: string;
  readonly actual?: string;
}

/** Why a verification failed: the first code, and everything that was found. */
export interface VerificationFailure {
  readonly code: VerificationCode;
  readonly violations: readonly [Violation, ...Violation[]];
  readonly steps: readonly Step[];
}

/** Thrown by those who need a verified node and got none. */
export class VerificationError extends Error {
  override readonly name = 'VerificationError';
  /** The first violation's code. */
  readonly code: VerificationCode;
  readonly violations: readonly [Violation, ...Violation[]];
  readonly steps: readonly Step[];
  constructor(failure: VerificationFailure) {
    const [first] = failure.violations;
    super(
      `verification failed at ${first.step}: ${failure.violations.map((violation) => violation.code).join(', ')}`,
    );
    this.code = failure.code;
    this.violations = failure.violations;
    this.steps = failure.steps;
  }
}

/** Whether the code says that the bytes are bad. */
export function isEvidenceCode(code: VerificationCode): code is EvidenceCode {
  return code.startsWith('evidence_');
}

/** Whether the code says that the bytes are genuine but not trusted. */
export function isPolicyCode(code: VerificationCode): code is PolicyCode {
  return code.startsWith('policy_');
}

const COLLATERAL_CODES: ReadonlySet<VerificationCode> = new Set<VerificationCode>([
  'evidence_collateral_absent',
  'evidence_crl_not_valid_now',
  'evidence_collateral_not_valid_now',
  'evidence_nras_keys_absent',
]);

/** Whether the code says that what a vendor publishes is missing or out of date, so that the evidence could not be judged. A refusal all the same. */
export function isCollateralCode(code: VerificationCode): boolean {
  return COLLATERAL_CODES.has(code);
}
