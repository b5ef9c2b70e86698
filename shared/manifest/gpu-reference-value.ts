// What a manifest expects of a node's GPUs. Every expectation is stated; an absent one is refused.

import { hexText, integer, list, object, oneOf, rule, type Shape, text, wordOr } from '../bytes/shape.ts';

/** Golden values of one reference file of NVIDIA (RIM): for each block of a report, the values it may have. */
export interface GoldenBlock {
  /** 1 to 64, as in the report: one more than the index in the vendor's file. */
  readonly block: number;
  /** SHA-384 in lower-case hex; one of them. */
  readonly digests: readonly string[];
}

/** Golden values for one driver version. */
export interface GoldenDriver {
  readonly version: string;
  readonly blocks: readonly GoldenBlock[];
}

/** Golden values for one VBIOS version of one board. */
export interface GoldenVbios {
  readonly version: string;
  readonly project: string;
  readonly project_sku: string;
  readonly chip_sku: string;
  readonly blocks: readonly GoldenBlock[];
}

/** Members are the JSON's own. */
export interface GpuReferenceValue {
  readonly vendor: 'nvidia';
  readonly architecture: 'hopper';
  /** Exactly so many GPUs, all different. */
  readonly count: number;
  /** `report`: the GPUs' own, judged here by golden values. `nras`: NVIDIA's verdict. `both`: both, of the same GPUs. */
  readonly evidence: 'report' | 'nras' | 'both';
  /** Such as `550.90.07`: a genuine old driver matches its genuine old golden values. */
  readonly minimum_driver: string;
  /** Such as `96.00.9F.00.01`. */
  readonly minimum_vbios: string;
  /**
   * Golden values by version. A GPU in debug or developer mode does not match them: no field of a report says so plainly.
   * May be empty only where NVIDIA's verdict says that measurements match.
   */
  readonly golden_drivers: readonly GoldenDriver[];
  readonly golden_vbioses: readonly GoldenVbios[];
  /** Known GPUs by `ueid`, decimal. */
  readonly device_ids: 'any' | readonly string[];
  /** `required`: someone must have asked NVIDIA whether the devices' certificates are revoked. */
  readonly revocation: 'required' | 'unchecked';
}

/** Driver versions: numbers with dots. */
export const driverVersion: Shape<string> = text(/^\d{1,4}(\.\d{1,4}){1,3}$/, 'a version such as 550.90.07');
/** VBIOS versions: five octets in upper-case hex with dots. */
export const vbiosVersion: Shape<string> = text(
  /^[0-9A-F]{2}(\.[0-9A-F]{2}){4}$/,
  'a version such as 96.00.9F.00.01',
);
const boardWord = text(/^[0-9A-Z]{1,16}$/, 'digits and upper-case letters');

const blocks: Shape<readonly GoldenBlock[]> = rule(
  list(object<GoldenBlock>({ block: integer(1, 64), digests: list(hexText(48), 1, 32) }), 1, 64),
  (all) => (new Set(all.map(({ block }) => block)).size === all.length ? undefined : 'has a block twice'),
);

/** Shape of golden values of a driver. */
export const goldenDriver: Shape<GoldenDriver> = object<GoldenDriver>({ version: driverVersion, blocks });
/** Shape of golden values of a VBIOS. */
export const goldenVbios: Shape<GoldenVbios> = object<GoldenVbios>({
  version: vbiosVersion,
  project: boardWord,
  project_sku: boardWord,
  chip_sku: boardWord,
  blocks,
});

/** Shape of what is expected of GPUs. */
export const gpuReferenceValue: Shape<GpuReferenceValue> = rule(
  object<GpuReferenceValue>({
    vendor: oneOf('nvidia'),
    architecture: oneOf('hopper'),
    count: integer(1, 16),
    evidence: oneOf('report', 'nras', 'both'),
    minimum_driver: driverVersion,
    minimum_vbios: vbiosVersion,
    golden_drivers: rule(list(goldenDriver, 0, 16), (all) =>
      new Set(all.map(({ version }) => version)).size === all.length ? undefined : 'has a version twice',
    ),
    golden_vbioses: rule(list(goldenVbios, 0, 16), (all) =>
      new Set(all.map(vbiosName)).size === all.length ? undefined : 'has a board’s version twice',
    ),
    device_ids: wordOr('any', list(text(/^[1-9]\d{0,59}$/, 'a decimal number'), 1, 4096)),
    revocation: oneOf('required', 'unchecked'),
  }),
  ({ evidence, golden_drivers, golden_vbioses }) =>
    evidence === 'report' && (golden_drivers.length === 0 || golden_vbioses.length === 0)
      ? 'must have golden values of driver and VBIOS, because nothing else shows that measurements match'
      : undefined,
);

/** What the vendor's name of a VBIOS reference file is made of. */
export function vbiosName({ project, project_sku, chip_sku, version }: Omit<GoldenVbios, 'blocks'>): string {
  return `${project}_${project_sku}_${chip_sku}_${version}`;
}
