// What a manifest expects of an Azure confidential VM: the paravisor by its report, the guest by the vTPM's registers.

import { hexText, integer, list, object, oneOf, rule, type Shape } from '../bytes/shape.ts';
import { type SnpReferenceValue, snpReferenceValue } from './snp-reference-value.ts';
import { type TdxReferenceValue, tdxReferenceValue } from './tdx-reference-value.ts';

/** Values that one register may have. */
export interface PcrValues {
  /** 0 to 23. */
  readonly index: number;
  /** SHA-256 bank, lower-case hex; one of them. */
  readonly digests: readonly string[];
}

/** What the vTPM and the paravisor must say. */
export interface VtpmReferenceValue {
  /** Whether the paravisor must say that secure boot is on. */
  readonly secure_boot: 'any' | 'required';
  /** At least one: the report's measurement covers Microsoft's firmware, and only these cover the guest's disk. */
  readonly pcrs: readonly PcrValues[];
}

/** Members are the JSON's own. */
export interface AzureSnpReferenceValue extends VtpmReferenceValue {
  readonly tee: 'azure-sev-snp';
  /** What is expected of the report: its requester is the paravisor at level 0. Its `gpu` is the node's. */
  readonly report: SnpReferenceValue;
}

/** Shape of expected registers. */
export const pcrValues: Shape<readonly PcrValues[]> = rule(
  list(object<PcrValues>({ index: integer(0, 23), digests: list(hexText(32), 1, 64) }), 1, 24),
  (all) => (new Set(all.map(({ index }) => index)).size === all.length ? undefined : 'has a register twice'),
);

/** Shape of one set of expectations. */
export const azureSnpReferenceValue: Shape<AzureSnpReferenceValue> = object<AzureSnpReferenceValue>({
  tee: oneOf('azure-sev-snp'),
  report: snpReferenceValue,
  secure_boot: oneOf('any', 'required'),
  pcrs: pcrValues,
});

/** Members are the JSON's own. */
export interface AzureTdxReferenceValue extends VtpmReferenceValue {
  readonly tee: 'azure-tdx';
  /** What is expected of Intel's quote, which is the paravisor's. Its `gpu` is the node's. */
  readonly td: TdxReferenceValue;
}

/** Shape of one set of expectations. */
export const azureTdxReferenceValue: Shape<AzureTdxReferenceValue> = object<AzureTdxReferenceValue>({
  tee: oneOf('azure-tdx'),
  td: tdxReferenceValue,
  secure_boot: oneOf('any', 'required'),
  pcrs: pcrValues,
});
