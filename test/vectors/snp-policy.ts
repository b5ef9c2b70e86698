// What the policy of the vectors asks of an SNP guest; what else a manifest has to say is lenient.

import type { SnpReferenceValue } from '../../shared/manifest/snp-reference-value.ts';

/** Only what the policy of the vectors asks for; the guest itself is taken as it comes. */
export function vectorSnpPolicy(measurement: string): SnpReferenceValue {
  return {
    tee: 'sev-snp',
    products: ['Milan', 'Genoa', 'Turin'],
    measurements: [measurement],
    minimum_guest_svn: 0,
    host_data: 'any',
    id_block: 'none',
    // No floor: the judgement of floors fails, and the policy of the vectors does not ask for any.
    minimum_tcb: [],
    provisional_firmware: 'accepted',
    minimum_mitigations: 'none',
    guest_policy: {
      debug: false,
      migrate: false,
      smt: 'any',
      cxl: 'any',
      single_socket: 'any',
      mem_aes_256_xts: 'any',
      rapl_disabled: 'any',
      ciphertext_hiding: 'any',
      page_swap_disabled: 'any',
      minimum_abi: { major: 0, minor: 0 },
    },
    vmpl: 0,
    platform: {
      smt: 'any',
      tsme: 'any',
      ecc: 'any',
      rapl_disabled: 'any',
      ciphertext_hiding: 'any',
      alias_check: 'any',
      iommu_write_safe: 'any',
    },
    chip_ids: 'any',
    masked_chip_id: 'accepted',
    vlek_providers: [],
    gpu: 'none',
  };
}
