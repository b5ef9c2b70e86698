// What a manifest says to accept a simulated machine: the same expectations as of a real one, met by the simulator's numbers.

import type { SnpReferenceValue } from '../../../shared/manifest/snp-reference-value.ts';
import { SIMULATED_CPU, SIMULATED_TCB } from './platform.ts';

/** Reference values for guests with these measurements (hex, 48 octets each) on any simulated machine. */
export function simulatedReferenceValue(measurements: readonly string[]): SnpReferenceValue {
  return {
    tee: 'sev-snp',
    products: ['Genoa'],
    measurements,
    minimum_guest_svn: 0,
    host_data: 'any',
    id_block: 'none',
    minimum_tcb: [
      {
        cpu: SIMULATED_CPU,
        fmc: SIMULATED_TCB.fmc,
        boot_loader: SIMULATED_TCB.bootLoader,
        tee: SIMULATED_TCB.tee,
        snp: SIMULATED_TCB.snp,
        microcode: SIMULATED_TCB.microcode,
      },
    ],
    provisional_firmware: 'refused',
    minimum_mitigations: 'none',
    guest_policy: {
      debug: false,
      migrate: false,
      smt: 'any',
      cxl: 'off',
      single_socket: 'any',
      mem_aes_256_xts: 'any',
      rapl_disabled: 'any',
      ciphertext_hiding: 'any',
      page_swap_disabled: 'any',
      minimum_abi: { major: 1, minor: 51 },
    },
    vmpl: 0,
    platform: {
      smt: 'any',
      tsme: 'any',
      ecc: 'required',
      rapl_disabled: 'any',
      ciphertext_hiding: 'any',
      alias_check: 'required',
      iommu_write_safe: 'required',
    },
    chip_ids: 'any',
    masked_chip_id: 'refused',
    vlek_providers: [],
    gpu: 'none',
  };
}
