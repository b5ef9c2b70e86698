// A genuine SEV-SNP report against one set of expectations of the manifest: every check is taken, every violation kept.

import { toHex } from '../bytes/hex.ts';
import { VMPL_HOST } from '../evidence/snp-report.ts';
import { describeTcb, type Tcb, tcbAtLeast, tcbEqual } from '../evidence/tcb.ts';
import type { SnpReferenceValue, TcbFloor } from '../manifest/snp-reference-value.ts';
import { compare, type Finding, type StepLog, skipped } from './step.ts';
import type { PolicyCode } from './verification-error.ts';
import type { GenuineSnp } from './verify-snp-evidence.ts';

/** Takes the `policy.*` steps that a report can show. */
export function judgeSnp(
  log: StepLog,
  genuine: Pick<GenuineSnp, 'report' | 'tcbs' | 'chipMasked' | 'chain'>,
  wanted: SnpReferenceValue,
  acceptMilan: boolean,
): void {
  const { report, tcbs, chipMasked, chain } = genuine;
  const { policy } = report;
  const holder = chain.extensions.holder;

  log.judge('policy.debug', 'The host cannot debug the guest', () =>
    compare(!policy.debug, 'policy_debug', 'debugging off', policy.debug ? 'debugging on' : 'debugging off'),
  );
  log.judge('policy.migration', 'The host cannot hand the guest to a migration agent', () => {
    const noAgent = report.reportIdMa.every((octet) => octet === 0xff);
    return compare(
      !policy.migrateMa && noAgent,
      'policy_migration',
      'no migration agent',
      policy.migrateMa ? 'migration allowed' : noAgent ? 'no migration agent' : 'an agent is bound',
    );
  });
  log.judge('policy.vmpl', 'The guest asked for the report, at the expected privilege level', () =>
    compare(
      report.vmpl === wanted.vmpl,
      'policy_vmpl',
      `level ${wanted.vmpl}`,
      report.vmpl === VMPL_HOST ? 'asked for by the host' : `level ${report.vmpl}`,
    ),
  );
  log.judge('policy.measurement', 'The guest is one that the manifest names', () => {
    const measurement = toHex(report.measurement);
    return compare(
      wanted.measurements.includes(measurement),
      'policy_measurement',
      wanted.measurements.join(' or '),
      measurement,
    );
  });
  log.judge('policy.guest-svn', 'The guest is not an older one', () =>
    compare(
      report.guestSvn >= wanted.minimum_guest_svn,
      'policy_guest_svn',
      `at least ${wanted.minimum_guest_svn}`,
      String(report.guestSvn),
    ),
  );
  log.judge('policy.host-data', 'The host started it with the expected data', () => {
    const hostData = toHex(report.hostData);
    if (wanted.host_data === 'any') return skipped('the manifest allows any');
    return compare(hostData === wanted.host_data, 'policy_host_data', wanted.host_data, hostData);
  });
  log.judge('policy.id-block', 'The launch was signed by nobody but whom the manifest names', () =>
    judgeIdBlock(report, wanted.id_block),
  );
  log.judge('policy.guest-policy', 'The guest’s own demands are as strict as the manifest’s', () =>
    judgeSwitches('policy_guest_policy', [
      ['SMT off', wanted.guest_policy.smt === 'off', !policy.smtAllowed],
      ['CXL off', wanted.guest_policy.cxl === 'off', !policy.cxlAllowed],
      ['single socket', wanted.guest_policy.single_socket === 'required', policy.singleSocket],
      ['AES-256-XTS', wanted.guest_policy.mem_aes_256_xts === 'required', policy.memAes256Xts],
      ['RAPL off', wanted.guest_policy.rapl_disabled === 'required', policy.raplDisabled],
      ['ciphertext hiding', wanted.guest_policy.ciphertext_hiding === 'required', policy.ciphertextHiding],
      ['page swap off', wanted.guest_policy.page_swap_disabled === 'required', policy.pageSwapDisabled],
      [
        `ABI ${wanted.guest_policy.minimum_abi.major}.${wanted.guest_policy.minimum_abi.minor}`,
        true,
        policy.abiMajor > wanted.guest_policy.minimum_abi.major ||
          (policy.abiMajor === wanted.guest_policy.minimum_abi.major &&
            policy.abiMinor >= wanted.guest_policy.minimum_abi.minor),
      ],
    ]),
  );
  log.judge('policy.product', 'The processor is one that the manifest allows', () =>
    compare(
      wanted.products.includes(chain.product),
      'policy_product',
      wanted.products.join(' or '),
      chain.product,
    ),
  );
  log.judge('policy.milan', 'Milan only where you accept it', () =>
    chain.product === 'Milan' && !acceptMilan
      ? { result: 'fail', code: 'policy_milan', expected: 'Genoa or Turin', actual: 'Milan' }
      : { result: 'pass', actual: chain.product },
  );

  const floor = floorFor(genuine, wanted.minimum_tcb);
  const judgeFloor = (code: PolicyCode, tcb: Tcb): Finding<PolicyCode> =>
    floor
      ? compare(tcbAtLeast(tcb, floor), code, `at least ${describeTcb(floor)}`, describeTcb(tcb))
      : { result: 'fail', code, expected: 'a floor for this processor', actual: describeCpu(genuine) };
  log.judge('policy.tcb-reported', 'The firmware that signed is new enough', () =>
    judgeFloor('policy_tcb_reported', tcbs.reported),
  );
  log.judge('policy.tcb-committed', 'The host cannot go back below that firmware', () =>
    judgeFloor('policy_tcb_committed', tcbs.committed),
  );
  log.judge('policy.tcb-launch', 'The guest was launched under such firmware', () =>
    judgeFloor('policy_tcb_launch', tcbs.launch),
  );
  log.judge('policy.provisional-firmware', 'The firmware in use is final', () => {
    if (wanted.provisional_firmware === 'accepted')
      return skipped('the manifest accepts provisional firmware');
    const { currentVersion: current, committedVersion: committed } = report;
    const same =
      tcbEqual(tcbs.current, tcbs.committed) &&
      current.major === committed.major &&
      current.minor === committed.minor &&
      current.build === committed.build;
    return compare(
      same,
      'policy_provisional_firmware',
      `current = committed: ${describeTcb(tcbs.committed)}`,
      describeTcb(tcbs.current),
    );
  });
  log.judge('policy.mitigations', 'Fixes that raise no patch level are in place', () =>
    judgeMitigations(report, wanted.minimum_mitigations),
  );
  log.judge('policy.chip-masked', 'The host shows which chip it is', () => {
    if (holder.kind === 'vlek') return skipped('a provider’s key names no chip');
    if (wanted.masked_chip_id === 'accepted') return skipped('the manifest accepts hidden chip ids');
    return compare(!chipMasked, 'policy_chip_masked', 'a chip id', chipMasked ? 'none' : 'a chip id');
  });
  log.judge('policy.chip-id', 'The chip is one that the manifest names', () => {
    if (wanted.chip_ids === 'any') return skipped('the manifest allows any chip');
    const chip = toHex(report.chipId);
    return compare(
      !chipMasked && wanted.chip_ids.includes(chip),
      'policy_chip_id',
      `one of ${wanted.chip_ids.length}`,
      chip,
    );
  });
  log.judge('policy.vlek-provider', 'A provider’s key only from a provider that the manifest names', () => {
    if (holder.kind === 'vcek') return skipped('the chip’s own key');
    return compare(
      wanted.vlek_providers.includes(holder.cspId),
      'policy_vlek_provider',
      wanted.vlek_providers.join(' or ') || 'no provider',
      holder.cspId,
    );
  });
  log.judge('policy.alias-check', 'The memory modules were checked for lying about their size', () =>
    wanted.platform.alias_check === 'any'
      ? skipped('the manifest does not ask for it')
      : compare(
          report.platform.aliasCheckComplete,
          'policy_alias_check',
          'checked',
          report.platform.aliasCheckComplete ? 'checked' : 'not checked',
        ),
  );
  log.judge('policy.platform', 'The machine is set up as the manifest asks', () => {
    const { platform } = report;
    return judgeSwitches('policy_platform', [
      ['SMT off', wanted.platform.smt === 'off', !platform.smtEnabled],
      ['TSME', wanted.platform.tsme === 'required', platform.tsmeEnabled],
      ['ECC memory', wanted.platform.ecc === 'required', platform.eccEnabled],
      ['RAPL off', wanted.platform.rapl_disabled === 'required', platform.raplDisabled],
      ['ciphertext hiding', wanted.platform.ciphertext_hiding === 'required', platform.ciphertextHiding],
      ['IOMMU write safety', wanted.platform.iommu_write_safe === 'required', platform.iommuWriteSafe],
      ['no unknown flag', true, platform.unknownBits === '0'],
    ]);
  });
}

/** Name, whether it is wanted, whether it holds. */
type Switch = readonly [string, boolean, boolean];

function judgeSwitches(code: PolicyCode, switches: readonly Switch[]): Finding<PolicyCode> {
  const wanted = switches.filter(([, isWanted]) => isWanted);
  const missing = wanted.filter(([, , holds]) => !holds).map(([name]) => name);
  return compare(
    missing.length === 0,
    code,
    wanted.map(([name]) => name).join(', '),
    missing.length === 0 ? 'all of it' : `not: ${missing.join(', ')}`,
  );
}

function judgeIdBlock(
  report: GenuineSnp['report'],
  wanted: SnpReferenceValue['id_block'],
): Finding<PolicyCode> {
  const idKey = toHex(report.idKeyDigest);
  const authorKey = toHex(report.authorKeyDigest);
  const noAuthor = !report.authorKeyEnabled && /^0*$/.test(authorKey);
  if (wanted === 'none')
    return compare(noAuthor && /^0*$/.test(idKey), 'policy_id_block', 'no launch signature', `key ${idKey}`);
  const authorFits =
    wanted.author_key_digests.length === 0
      ? noAuthor
      : report.authorKeyEnabled && wanted.author_key_digests.includes(authorKey);
  return compare(
    wanted.id_key_digests.includes(idKey) && authorFits,
    'policy_id_block',
    wanted.id_key_digests.join(' or '),
    `key ${idKey}, author ${authorKey}`,
  );
}

function judgeMitigations(
  report: GenuineSnp['report'],
  wanted: SnpReferenceValue['minimum_mitigations'],
): Finding<PolicyCode> {
  if (wanted === 'none') return skipped('the manifest asks for none');
  const covers = (vector: bigint, mask: string) => {
    const bits = BigInt(`0x${mask}`);
    return (vector & bits) === bits;
  };
  return compare(
    covers(report.launchMitigations, wanted.launch) && covers(report.currentMitigations, wanted.current),
    'policy_mitigations',
    `launch ${wanted.launch}, current ${wanted.current}`,
    `launch ${report.launchMitigations.toString(16)}, current ${report.currentMitigations.toString(16)}`,
  );
}

function floorFor({ report }: Pick<GenuineSnp, 'report'>, floors: readonly TcbFloor[]): Tcb | undefined {
  const { cpu } = report;
  const floor = floors.find(
    (candidate) =>
      cpu !== undefined &&
      candidate.cpu.family === cpu.family &&
      candidate.cpu.model === cpu.model &&
      candidate.cpu.stepping === cpu.stepping,
  );
  return (
    floor && {
      fmc: floor.fmc,
      bootLoader: floor.boot_loader,
      tee: floor.tee,
      snp: floor.snp,
      microcode: floor.microcode,
    }
  );
}

function describeCpu({ report }: Pick<GenuineSnp, 'report'>): string {
  const { cpu } = report;
  return cpu
    ? `family ${cpu.family}, model ${cpu.model}, stepping ${cpu.stepping}`
    : 'a version 2 report, which names no processor';
}
