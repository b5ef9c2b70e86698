// What a manifest expects of a SEV-SNP guest and its platform. Every expectation is stated; an absent one is refused.

import { hexText, integer, list, object, oneOf, type Shape, text, wordOr } from '../bytes/shape.ts';
import { type GpuReferenceValue, gpuReferenceValue } from './gpu-reference-value.ts';

type Switch = 'any' | 'required';

/** Lowest patch levels for one CPU. Microcode numbers run per stepping, so a floor per product would be wrong. */
export interface TcbFloor {
  /** CPUID of the signed report. */
  readonly cpu: { readonly family: number; readonly model: number; readonly stepping: number };
  /** 0 except on Turin. */
  readonly fmc: number;
  readonly boot_loader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
}

/** One set of expectations. A node fits a role when it meets all of one set. Members are the JSON's own. */
export interface SnpReferenceValue {
  readonly tee: 'sev-snp';
  readonly products: readonly ('Milan' | 'Genoa' | 'Turin')[];
  /** Launch digests, SHA-384 in lower-case hex. */
  readonly measurements: readonly string[];
  /** Lowest GUEST_SVN. */
  readonly minimum_guest_svn: number;
  /** HOST_DATA in hex, which the host chooses at launch. */
  readonly host_data: 'any' | string;
  /** `none`: no key signed the launch. Otherwise the SHA-384 digests of the keys that may have, in hex. */
  readonly id_block:
    | 'none'
    | { readonly id_key_digests: readonly string[]; readonly author_key_digests: readonly string[] };
  /** Floors on REPORTED, COMMITTED and LAUNCH TCB. A CPU without a floor is refused. */
  readonly minimum_tcb: readonly TcbFloor[];
  /** `refused`: COMMITTED must equal CURRENT, or the host could roll back after attestation. */
  readonly provisional_firmware: 'refused' | 'accepted';
  /** Bits that must be set in the mitigation vectors of version 5 reports, hex of 8 octets; else no demand. */
  readonly minimum_mitigations: 'none' | { readonly launch: string; readonly current: string };
  readonly guest_policy: {
    readonly debug: false;
    readonly migrate: false;
    readonly smt: 'any' | 'off';
    readonly cxl: 'any' | 'off';
    readonly single_socket: Switch;
    readonly mem_aes_256_xts: Switch;
    readonly rapl_disabled: Switch;
    readonly ciphertext_hiding: Switch;
    readonly page_swap_disabled: Switch;
    readonly minimum_abi: { readonly major: number; readonly minor: number };
  };
  /** Privilege level of the requester: 0 unless a paravisor sits above the guest. */
  readonly vmpl: number;
  readonly platform: {
    readonly smt: 'any' | 'off';
    readonly tsme: Switch;
    readonly ecc: Switch;
    readonly rapl_disabled: Switch;
    readonly ciphertext_hiding: Switch;
    readonly alias_check: Switch;
    readonly iommu_write_safe: Switch;
  };
  /** Known machines as CHIP_ID in hex, 64 octets; Turin's 8 octets are followed by zeros. */
  readonly chip_ids: 'any' | readonly string[];
  /** Whether the host may hide its chip id, which gives up the comparison of report and certificate. */
  readonly masked_chip_id: 'refused' | 'accepted';
  /** Provider keys that are trusted in place of a chip key, by CSP_ID. Empty: none. */
  readonly vlek_providers: readonly string[];
  /** Whether the node must show a GPU. */
  readonly gpu: 'none' | GpuReferenceValue;
}

const octet = integer(0, 255);
const level = oneOf('any', 'required');
const smt = oneOf('any', 'off');
const keyDigests = list(hexText(48), 1, 64);

/** Shape of one set of expectations. */
export const snpReferenceValue: Shape<SnpReferenceValue> = object<SnpReferenceValue>({
  tee: oneOf('sev-snp'),
  products: list(oneOf('Milan', 'Genoa', 'Turin'), 1, 3),
  measurements: list(hexText(48), 1, 256),
  minimum_guest_svn: integer(0, 0xffffffff),
  host_data: wordOr('any', hexText(32)),
  id_block: wordOr(
    'none',
    object<Exclude<SnpReferenceValue['id_block'], 'none'>>({
      id_key_digests: keyDigests,
      author_key_digests: list(hexText(48), 0, 64),
    }),
  ),
  minimum_tcb: list(
    object<TcbFloor>({
      cpu: object<TcbFloor['cpu']>({ family: octet, model: octet, stepping: octet }),
      fmc: octet,
      boot_loader: octet,
      tee: octet,
      snp: octet,
      microcode: octet,
    }),
    1,
    64,
  ),
  provisional_firmware: oneOf('refused', 'accepted'),
  minimum_mitigations: wordOr(
    'none',
    object<Exclude<SnpReferenceValue['minimum_mitigations'], 'none'>>({
      launch: hexText(8),
      current: hexText(8),
    }),
  ),
  guest_policy: object<SnpReferenceValue['guest_policy']>({
    debug: oneOf(false),
    migrate: oneOf(false),
    smt,
    cxl: smt,
    single_socket: level,
    mem_aes_256_xts: level,
    rapl_disabled: level,
    ciphertext_hiding: level,
    page_swap_disabled: level,
    minimum_abi: object<SnpReferenceValue['guest_policy']['minimum_abi']>({ major: octet, minor: octet }),
  }),
  vmpl: integer(0, 3),
  platform: object<SnpReferenceValue['platform']>({
    smt,
    tsme: level,
    ecc: level,
    rapl_disabled: level,
    ciphertext_hiding: level,
    alias_check: level,
    iommu_write_safe: level,
  }),
  chip_ids: wordOr('any', list(hexText(64), 1, 4096)),
  masked_chip_id: oneOf('refused', 'accepted'),
  vlek_providers: list(text(/^[ -~]{1,128}$/, 'printable ASCII'), 0, 64),
  gpu: wordOr('none', gpuReferenceValue),
});
