// What a TDX platform's levels are worth by Intel's word: the first level it has, the module's, the enclave's, and the three together.

import { equalBytes } from '../bytes/equal.ts';
import type { ModuleStatus } from '../evidence/intel-shapes.ts';
import type { QeIdentity } from '../evidence/qe-identity.ts';
import type { SvnLevel, TcbInfo, TcbLevel, TcbLevelStatus, TdxModule } from '../evidence/tcb-info.ts';
import type { PckExtensions } from '../evidence/tdx-pck-extensions.ts';
import type { TdxQuote } from '../evidence/tdx-quote.ts';

/**
 * The whole. `NotSupported`: the platform, its module or its quoting enclave is below every level that Intel lists, which
 * is worse than out of date: nothing is known about it.
 */
export type TdxTcbStatus =
  | TcbLevelStatus
  | 'TDRelaunchAdvised'
  | 'TDRelaunchAdvisedConfigurationNeeded'
  | 'NotSupported';

/** How a platform is rated, with the parts. */
export interface TdxTcbRating {
  readonly status: TdxTcbStatus;
  /** The first level of TCB info that the platform has, with its index; undefined when it has none. */
  readonly platform: { readonly index: number; readonly level: TcbLevel } | undefined;
  /** Undefined for modules of major version 0, which are rated with the platform. */
  readonly module: ModuleStatus | 'NotSupported' | undefined;
  readonly qe: ModuleStatus | 'NotSupported';
  /** Intel's advisories on all levels that count. */
  readonly advisories: readonly string[];
  /** The lower of the two documents' numbers. */
  readonly evaluationDataNumber: number;
}

/**
 * The module that a TEE_TCB_SVN speaks of: for major version 0 the platform's own, else the one listed by its version.
 * Undefined when Intel lists none such.
 */
export function moduleFor(
  info: TcbInfo,
  teeTcbSvn: Uint8Array,
): { readonly module: TdxModule; readonly levels: readonly SvnLevel[] | undefined } | undefined {
  const major = teeTcbSvn[1] as number;
  if (major === 0) return { module: info.tdxModule, levels: undefined };
  const id = `TDX_${major.toString(16).padStart(2, '0')}`;
  const identity = info.tdxModuleIdentities?.find(
    (candidate) => candidate.id.toLowerCase() === id.toLowerCase(),
  );
  return identity && { module: identity, levels: identity.tcbLevels };
}

/** Rates a quote whose signatures hold and whose module is Intel's. */
export function rateTdxTcb(
  quote: Pick<TdxQuote, 'report' | 'qeReport'>,
  pck: PckExtensions,
  info: TcbInfo,
  identity: QeIdentity,
): TdxTcbRating {
  const { teeTcbSvn, later } = quote.report;
  const qe = levelAt(identity.tcbLevels, quote.qeReport.isvSvn);
  const atLaunch = rateSvn(teeTcbSvn, pck, info, qe);
  const now =
    later && !equalBytes(later.teeTcbSvn2, teeTcbSvn) ? rateSvn(later.teeTcbSvn2, pck, info, qe) : undefined;
  const { platform, module } = atLaunch;
  return {
    status: relaunch(atLaunch.status, now?.status),
    platform,
    module: module.rated ? (module.level?.tcbStatus ?? 'NotSupported') : undefined,
    qe: qe?.tcbStatus ?? 'NotSupported',
    advisories: [
      ...new Set([platform?.level, module.level, qe].flatMap((level) => level?.advisoryIDs ?? [])),
    ].sort(),
    evaluationDataNumber: Math.min(info.tcbEvaluationDataNumber, identity.tcbEvaluationDataNumber),
  };
}

interface SvnRating {
  readonly status: TcbLevelStatus | 'NotSupported';
  readonly platform: TdxTcbRating['platform'];
  readonly module: { readonly rated: boolean; readonly level: SvnLevel | undefined };
}

function rateSvn(
  teeTcbSvn: Uint8Array,
  pck: PckExtensions,
  info: TcbInfo,
  qe: SvnLevel | undefined,
): SvnRating {
  const major = teeTcbSvn[1] as number;
  const moduleLevel = levelAt(moduleFor(info, teeTcbSvn)?.levels ?? [], teeTcbSvn[0] as number);
  const index = info.tcbLevels.findIndex((level) => hasLevel(level, teeTcbSvn, pck));
  const level = info.tcbLevels[index];
  const platform = level && { index, level };
  const module = { rated: major > 0, level: moduleLevel };
  if (!level || !qe || (major > 0 && !moduleLevel)) return { status: 'NotSupported', platform, module };
  const parts = [qe.tcbStatus, ...(moduleLevel ? [moduleLevel.tcbStatus] : [])];
  return { status: converge(level.tcbStatus, parts), platform, module };
}

function hasLevel({ tcb }: TcbLevel, teeTcbSvn: Uint8Array, pck: PckExtensions): boolean {
  // From major version 1 on the module has levels of its own, and the first two components are its.
  const own = (teeTcbSvn[1] as number) > 0 ? 2 : 0;
  return (
    tcb.sgxtcbcomponents.every(({ svn }, index) => svn <= (pck.components[index] as number)) &&
    tcb.pcesvn <= pck.pceSvn &&
    tcb.tdxtcbcomponents.every(({ svn }, index) => index < own || svn <= (teeTcbSvn[index] as number))
  );
}

function levelAt(levels: readonly SvnLevel[], isvSvn: number): SvnLevel | undefined {
  return levels.find(({ tcb }) => tcb.isvsvn <= isvSvn);
}

function converge(platform: TcbLevelStatus, parts: readonly ModuleStatus[]): TcbLevelStatus {
  if (platform === 'Revoked' || parts.includes('Revoked')) return 'Revoked';
  if (!parts.includes('OutOfDate')) return platform;
  if (platform === 'UpToDate' || platform === 'SWHardeningNeeded') return 'OutOfDate';
  if (platform === 'ConfigurationNeeded' || platform === 'ConfigurationAndSWHardeningNeeded')
    return 'OutOfDateConfigurationNeeded';
  return platform;
}

// A module can be updated under a running guest. What the guest was launched under counts, but a new launch would mend it.
function relaunch(atLaunch: SvnRating['status'], now: SvnRating['status'] | undefined): TdxTcbStatus {
  if (atLaunch !== 'OutOfDate' && atLaunch !== 'OutOfDateConfigurationNeeded') return atLaunch;
  if (now === 'UpToDate' || now === 'SWHardeningNeeded') return 'TDRelaunchAdvised';
  if (now === 'ConfigurationNeeded' || now === 'ConfigurationAndSWHardeningNeeded')
    return 'TDRelaunchAdvisedConfigurationNeeded';
  return atLaunch;
}
