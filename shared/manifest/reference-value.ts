// Expectations of a node by kind of TEE: what one set is, and lists of them.

import { byMember, list, type Shape } from '../bytes/shape.ts';
import {
  type AzureSnpReferenceValue,
  type AzureTdxReferenceValue,
  azureSnpReferenceValue,
  azureTdxReferenceValue,
} from './azure-reference-value.ts';
import { type SnpReferenceValue, snpReferenceValue } from './snp-reference-value.ts';
import { type TdxReferenceValue, tdxReferenceValue } from './tdx-reference-value.ts';

/** Reference values of one role, by kind of TEE. */
export type ReferenceValue =
  | SnpReferenceValue
  | TdxReferenceValue
  | AzureSnpReferenceValue
  | AzureTdxReferenceValue;

/** One set or more; a node fits when it meets all of one. */
export const referenceValues: Shape<readonly ReferenceValue[]> = list(
  byMember<ReferenceValue>('tee', 'sev-snp', {
    'sev-snp': snpReferenceValue,
    tdx: tdxReferenceValue,
    'azure-sev-snp': azureSnpReferenceValue,
    'azure-tdx': azureTdxReferenceValue,
  }),
  1,
  32,
);
