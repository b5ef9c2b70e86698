// What a manifest expects of an Intel TDX guest and its platform. Every expectation is stated; an absent one is refused.

import { hexText, integer, list, object, oneOf, type Shape, wordOr } from '../bytes/shape.ts';
import { type GpuReferenceValue, gpuReferenceValue } from './gpu-reference-value.ts';

/** Statuses of Intel's that a manifest may accept. `Revoked` and unsupported platforms are never acceptable. */
export const ACCEPTABLE_TCB_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'TDRelaunchAdvised',
  'TDRelaunchAdvisedConfigurationNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
] as const;

/** Any value, or one of these, lower-case hex. */
type Digests = 'any' | readonly string[];

/** One set of expectations. A node fits a role when it meets all of one set. Members are the JSON's own. */
export interface TdxReferenceValue {
  readonly tee: 'tdx';
  /** MRTD: the guest's firmware as built, SHA-384 in lower-case hex. */
  readonly mrtd: readonly string[];
  /** Final values of the run-time registers. What each means is the firmware's convention. */
  readonly rtmr0: Digests;
  readonly rtmr1: Digests;
  readonly rtmr2: Digests;
  readonly rtmr3: Digests;
  /** MRCONFIGID, which the host sets when it builds the guest, 48 octets in hex. */
  readonly mrconfigid: 'any' | string;
  readonly mrowner: 'any' | string;
  readonly mrownerconfig: 'any' | string;
  /** XFAM: which extended features the guest may use, 8 octets in hex as they stand in the report. */
  readonly xfam: Digests;
  readonly attributes: {
    readonly debug: false;
    readonly migratable: false;
    /** Without it the host can inject exceptions on private pages. */
    readonly sept_ve_disable: 'any' | 'required';
    readonly pks: 'any' | 'off';
    readonly key_locker: 'any' | 'off';
    readonly perfmon: 'any' | 'off';
  };
  /** MRSERVICETD: no service guest, such as one for migration, may be bound. Reports of TDX 1.0 cannot show one. */
  readonly service_td: 'none';
  /** MRSEAM: digests of the TDX module. */
  readonly mrseam: Digests;
  /** Which of Intel's statuses are good enough. */
  readonly tcb_statuses: readonly (typeof ACCEPTABLE_TCB_STATUSES)[number][];
  /** Lowest tcbEvaluationDataNumber: an unexpired older set of collateral may still call an old platform current. */
  readonly minimum_tcb_evaluation_data_number: number;
  /** Known machines by PPID, 16 octets in hex. */
  readonly ppids: Digests;
  /** Whether the node must show a GPU. */
  readonly gpu: 'none' | GpuReferenceValue;
}

const off = oneOf('any', 'off');
const digests = wordOr('any', list(hexText(48), 1, 256));
const digest = wordOr('any', hexText(48));

/** Shape of one set of expectations. */
export const tdxReferenceValue: Shape<TdxReferenceValue> = object<TdxReferenceValue>({
  tee: oneOf('tdx'),
  mrtd: list(hexText(48), 1, 256),
  rtmr0: digests,
  rtmr1: digests,
  rtmr2: digests,
  rtmr3: digests,
  mrconfigid: digest,
  mrowner: digest,
  mrownerconfig: digest,
  xfam: wordOr('any', list(hexText(8), 1, 64)),
  attributes: object<TdxReferenceValue['attributes']>({
    debug: oneOf(false),
    migratable: oneOf(false),
    sept_ve_disable: oneOf('any', 'required'),
    pks: off,
    key_locker: off,
    perfmon: off,
  }),
  service_td: oneOf('none'),
  mrseam: digests,
  tcb_statuses: list(oneOf(...ACCEPTABLE_TCB_STATUSES), 1, ACCEPTABLE_TCB_STATUSES.length),
  minimum_tcb_evaluation_data_number: integer(0, 0xffffffff),
  ppids: wordOr('any', list(hexText(16), 1, 4096)),
  gpu: wordOr('none', gpuReferenceValue),
});
