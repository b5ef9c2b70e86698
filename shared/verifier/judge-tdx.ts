// A genuine TDX quote against one set of expectations of the manifest: every check is taken, every violation kept.

import { toHex } from '../bytes/hex.ts';
import type { TdReport } from '../evidence/tdx-quote.ts';
import type { TdxReferenceValue } from '../manifest/tdx-reference-value.ts';
import { compare, type Finding, type StepLog, skipped } from './step.ts';
import type { PolicyCode } from './verification-error.ts';
import type { GenuineTdx } from './verify-tdx-evidence.ts';

// TDATTRIBUTES (Intel TDX Module ABI, TD_ATTRIBUTES). The lowest octet is the group "TD under debug".
const DEBUG_GROUP = 0xffn;
const SEPT_VE_DISABLE = 1n << 28n;
const MIGRATABLE = 1n << 29n;
const PKS = 1n << 30n;
const KEY_LOCKER = 1n << 31n;
const PERFMON = 1n << 63n;
const KNOWN = DEBUG_GROUP | SEPT_VE_DISABLE | MIGRATABLE | PKS | KEY_LOCKER | PERFMON;

/** Takes the `policy.*` steps that a quote and its collateral can show. */
export function judgeTdx(
  log: StepLog,
  genuine: Pick<GenuineTdx, 'quote' | 'pck' | 'tcb'>,
  wanted: TdxReferenceValue,
): void {
  const { report, trailing } = genuine.quote;
  const { tdAttributes } = report;

  log.judge('policy.debug', 'The host cannot debug the guest', () => {
    const group = tdAttributes & DEBUG_GROUP;
    return compare(
      group === 0n,
      'policy_debug',
      'debugging off',
      group === 0n ? 'debugging off' : 'debugging on',
    );
  });
  log.judge('policy.migration', 'The host cannot move the guest elsewhere', () => judgeMigration(report));
  log.judge('policy.sept-ve-disable', 'The host cannot inject exceptions on private memory', () =>
    wanted.attributes.sept_ve_disable === 'any'
      ? skipped('the manifest does not ask for it')
      : compare(
          (tdAttributes & SEPT_VE_DISABLE) !== 0n,
          'policy_sept_ve_disable',
          'disabled',
          (tdAttributes & SEPT_VE_DISABLE) !== 0n ? 'disabled' : 'possible',
        ),
  );
  log.judge('policy.td-attributes', 'The guest’s attributes are as strict as the manifest’s', () =>
    judgeAttributes(tdAttributes, wanted.attributes),
  );
  log.judge('policy.xfam', 'The guest uses the expected processor features', () =>
    judgeAmong('policy_xfam', wanted.xfam, report.xfam),
  );
  log.judge('policy.measurement', 'The guest is one that the manifest names', () =>
    judgeAmong('policy_measurement', wanted.mrtd, report.mrTd),
  );
  for (const [index, register] of report.rtmrs.entries())
    log.judge(`policy.rtmr${index}`, `What was measured into register ${index} is expected`, () =>
      judgeAmong(
        'policy_rtmr',
        [wanted.rtmr0, wanted.rtmr1, wanted.rtmr2, wanted.rtmr3][index] ?? [],
        register,
      ),
    );
  for (const [name, expected, actual] of [
    ['mrconfigid', wanted.mrconfigid, report.mrConfigId],
    ['mrowner', wanted.mrowner, report.mrOwner],
    ['mrownerconfig', wanted.mrownerconfig, report.mrOwnerConfig],
  ] as const)
    log.judge(`policy.${name}`, 'The host built it with the expected configuration', () =>
      judgeAmong('policy_td_config', expected === 'any' ? 'any' : [expected], actual),
    );
  log.judge('policy.tdx-module', 'The TDX module is one that the manifest names', () =>
    judgeAmong('policy_tdx_module', wanted.mrseam, report.mrSeam),
  );
  judgeTcb(log, genuine.tcb, wanted);
  log.judge('policy.platform-id', 'The machine is one that the manifest names', () =>
    judgeAmong('policy_platform_id', wanted.ppids, genuine.pck.ppid),
  );
  // Signed by nobody and read by nobody: foreign octets here change nothing that was shown, but a quote has no use for them.
  log.judge('policy.trailing-octets', 'Nothing but zeros follows the quote', () =>
    compare(
      trailing.every((octet) => octet === 0),
      'policy_trailing_octets',
      'zeros or nothing',
      `${trailing.length} octets`,
    ),
  );
}

function judgeMigration(report: TdReport): Finding<PolicyCode> {
  const serviceBound = report.later?.mrServiceTd.some((octet) => octet !== 0) === true;
  const migratable = (report.tdAttributes & MIGRATABLE) !== 0n;
  return compare(
    !migratable && !serviceBound,
    'policy_migration',
    'no migration, no service guest',
    migratable
      ? 'migration allowed'
      : serviceBound
        ? 'a service guest is bound'
        : 'no migration, no service guest',
  );
}

function judgeAttributes(attributes: bigint, wanted: TdxReferenceValue['attributes']): Finding<PolicyCode> {
  const refused: readonly (readonly [string, boolean, bigint])[] = [
    ['protection keys', wanted.pks === 'off', PKS],
    ['key locker', wanted.key_locker === 'off', KEY_LOCKER],
    ['performance monitoring', wanted.perfmon === 'off', PERFMON],
    ['an unknown attribute', true, ~KNOWN],
  ];
  const found = refused.filter(([, isRefused, bits]) => isRefused && (attributes & bits) !== 0n);
  return compare(
    found.length === 0,
    'policy_td_attributes',
    `none of: ${refused.flatMap(([name, isRefused]) => (isRefused ? [name] : [])).join(', ')}`,
    found.map(([name]) => name).join(', ') || attributes.toString(16).padStart(16, '0'),
  );
}

function judgeTcb(log: StepLog, tcb: GenuineTdx['tcb'], wanted: TdxReferenceValue): void {
  const advisories = tcb.advisories.length > 0 ? `; ${tcb.advisories.join(', ')}` : '';
  const parts = `platform ${tcb.platform?.level.tcbStatus ?? 'below every level'}, module ${
    tcb.module ?? 'rated with it'
  }, quoting enclave ${tcb.qe}`;
  log.judge('policy.tcb-supported', 'Intel has an opinion of this platform', () =>
    compare(tcb.status !== 'NotSupported', 'policy_tcb_not_supported', 'a level that Intel lists', parts),
  );
  log.judge('policy.tcb-status', 'Intel’s opinion of it is good enough', () => {
    const { status } = tcb;
    if (status === 'NotSupported') return skipped('there is none');
    return compare(
      wanted.tcb_statuses.some((accepted) => accepted === status),
      'policy_tcb_status',
      wanted.tcb_statuses.join(' or '),
      `${status} (${parts})${advisories}`,
    );
  });
  log.judge('policy.tcb-evaluation', 'That opinion is recent enough', () =>
    compare(
      tcb.evaluationDataNumber >= wanted.minimum_tcb_evaluation_data_number,
      'policy_tcb_evaluation',
      `at least ${wanted.minimum_tcb_evaluation_data_number}`,
      String(tcb.evaluationDataNumber),
    ),
  );
}

function judgeAmong(
  code: PolicyCode,
  wanted: 'any' | readonly string[],
  octets: Uint8Array,
): Finding<PolicyCode> {
  if (wanted === 'any') return skipped('the manifest allows any');
  const actual = toHex(octets);
  return compare(wanted.includes(actual), code, wanted.join(' or '), actual);
}
