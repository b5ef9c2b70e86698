// Genuine GPUs against what a manifest expects of them: every check is taken, every violation kept.

import type { Bytes } from '../bytes/concat.ts';
import { toHex } from '../bytes/hex.ts';
import {
  type GoldenBlock,
  type GoldenDriver,
  type GoldenVbios,
  type GpuReferenceValue,
  vbiosName,
} from '../manifest/gpu-reference-value.ts';
import { compare, type Finding, type StepLog, skipped } from './step.ts';
import type { PolicyCode } from './verification-error.ts';
import type { GenuineDevices } from './verify-devices.ts';
import type { GenuineGpu } from './verify-nvidia-gpu.ts';

/** Hopper's name in certificates and verdicts. */
const HOPPER = 'GH100';

/** A GPU as a report or a verdict describes it. */
interface Described {
  readonly architecture: string;
  readonly ueid: string;
  readonly driverVersion: string;
  readonly vbiosVersion: string;
}

/** Takes the `policy.device` and `policy.gpu-*` steps. */
export function judgeGpus(log: StepLog, devices: GenuineDevices, wanted: 'none' | GpuReferenceValue): void {
  const { gpus, verdict, named } = devices;
  if (wanted === 'none') {
    log.judge('policy.device', 'It shows the devices that the manifest asks for', () =>
      compare(named.length === 0, 'policy_device', 'no device', named.join(', ') || 'no device'),
    );
    return;
  }
  const reported: readonly Described[] = gpus.map(({ report, architecture, ueid }) => ({
    architecture,
    ueid,
    driverVersion: report.driverVersion,
    vbiosVersion: report.vbiosVersion,
  }));
  const judged: readonly Described[] = verdict?.devices ?? [];
  const described = [...reported, ...judged];

  log.judge('policy.device', 'It shows the devices that the manifest asks for', () => {
    const lacking = [
      ...(wanted.evidence !== 'nras' && gpus.length === 0 ? ['GPU reports'] : []),
      ...(wanted.evidence !== 'report' && verdict === undefined ? ['NVIDIA’s verdict'] : []),
    ];
    return compare(
      lacking.length === 0,
      'policy_gpu_absent',
      `${wanted.count} GPUs by ${wanted.evidence}`,
      lacking.length === 0
        ? `${gpus.length} reports, ${judged.length} judged`
        : `without ${lacking.join(' and ')}`,
    );
  });
  log.judge('policy.gpu-count', 'There are exactly as many GPUs as the manifest says, all different', () =>
    judgeCount(reported, judged, wanted),
  );
  log.judge('policy.gpu-architecture', 'Every GPU is a Hopper', () =>
    judgeAll(
      described,
      'policy_gpu_architecture',
      HOPPER,
      ({ architecture }) => architecture,
      (value) => value === HOPPER,
    ),
  );
  log.judge('policy.gpu-protected-pcie', 'No GPU is part of a board whose switches were not shown', () => {
    const shared = gpus.some(({ report }) => report.protectedPcie);
    return compare(
      !shared,
      'policy_gpu_protected_pcie',
      'single GPUs',
      shared ? 'protected PCIe without evidence of its switches' : 'single GPUs',
    );
  });
  log.judge('policy.gpu-debug', 'Nobody can debug a GPU', () => {
    if (verdict === undefined) return skipped('a report says it by its measurements');
    const holds = verdict.devices.every(({ production }) => production);
    return compare(
      holds,
      'policy_gpu_debug',
      'debugging disabled, secure boot',
      holds ? 'debugging disabled, secure boot' : 'not so',
    );
  });
  log.judge('policy.gpu-driver', 'The driver is new enough', () =>
    judgeAll(
      described,
      'policy_gpu_driver',
      `at least ${wanted.minimum_driver}`,
      ({ driverVersion }) => driverVersion,
      (version) => isAtLeast(version, wanted.minimum_driver, 10),
    ),
  );
  log.judge('policy.gpu-vbios', 'The VBIOS is new enough', () =>
    judgeAll(
      described,
      'policy_gpu_vbios',
      `at least ${wanted.minimum_vbios}`,
      ({ vbiosVersion }) => vbiosVersion,
      (version) => isAtLeast(version, wanted.minimum_vbios, 16),
    ),
  );
  log.judge('policy.gpu-measurements', 'What the GPUs measured is what the manifest names', () => {
    if (gpus.length === 0) return skipped('no report');
    if (wanted.evidence !== 'report' && wanted.golden_drivers.length + wanted.golden_vbioses.length === 0)
      return skipped('left to NVIDIA’s verdict');
    for (const gpu of gpus) {
      const finding = judgeMeasurements(gpu, wanted);
      if (finding.result === 'fail') return finding;
    }
    return { result: 'pass', expected: 'golden values of driver and VBIOS', actual: 'they match' };
  });
  log.judge('policy.gpu-id', 'The GPUs are ones that the manifest names', () => {
    const { device_ids } = wanted;
    return device_ids === 'any'
      ? skipped('the manifest allows any')
      : judgeAll(
          described,
          'policy_gpu_id',
          `one of ${device_ids.length}`,
          ({ ueid }) => ueid,
          (ueid) => device_ids.includes(ueid),
        );
  });
  log.judge('policy.gpu-revocation', 'NVIDIA was asked whether the GPUs’ certificates are revoked', () => {
    if (wanted.revocation === 'unchecked') return skipped('the manifest does not ask for it');
    const asked = new Set([
      ...gpus.filter(({ revocation }) => revocation === 'good').map(({ ueid }) => ueid),
      ...(verdict?.devices ?? []).filter(({ revocation }) => revocation === 'good').map(({ ueid }) => ueid),
    ]);
    return judgeAll(
      described,
      'policy_gpu_revocation',
      'known to be good',
      ({ ueid }) => ueid,
      (ueid) => asked.has(ueid),
    );
  });
}

function judgeCount(
  reported: readonly Described[],
  judged: readonly Described[],
  { count, evidence }: GpuReferenceValue,
): Finding<PolicyCode> {
  const ids = (all: readonly Described[]) => [...new Set(all.map(({ ueid }) => ueid))].sort();
  const counts = (all: readonly Described[]) => all.length === count && ids(all).length === count;
  const holds =
    (evidence === 'nras' ? reported.length === 0 || counts(reported) : counts(reported)) &&
    (evidence === 'report' ? judged.length === 0 || counts(judged) : counts(judged)) &&
    // Two kinds of evidence must speak of the same GPUs.
    (reported.length === 0 || judged.length === 0 || ids(reported).join() === ids(judged).join());
  return compare(
    holds,
    'policy_gpu_count',
    `${count}`,
    `${ids(reported).length} of ${reported.length} reported, ${ids(judged).length} of ${judged.length} judged`,
  );
}

function judgeAll(
  described: readonly Described[],
  code: PolicyCode,
  expected: string,
  shown: (gpu: Described) => string,
  holds: (value: string) => boolean,
): Finding<PolicyCode> {
  const values = described.map(shown);
  const bad = values.filter((value) => !holds(value));
  return compare(
    bad.length === 0,
    code,
    expected,
    [...new Set(bad.length > 0 ? bad : values)].join(', ') || 'none',
  );
}

function judgeMeasurements({ report }: GenuineGpu, wanted: GpuReferenceValue): Finding<PolicyCode> {
  const { driverVersion, vbiosVersion, board, measurements } = report;
  const driver = wanted.golden_drivers.find(({ version }) => version === driverVersion);
  const name = vbiosName({
    version: vbiosVersion,
    project: board.project,
    project_sku: board.projectSku,
    chip_sku: board.chipSku,
  });
  const vbios = wanted.golden_vbioses.find((golden) => vbiosName(golden) === name);
  if (!driver || !vbios)
    return {
      result: 'fail',
      code: 'policy_gpu_measurements',
      expected: 'golden values for driver and VBIOS',
      actual: `none for ${[...(driver ? [] : [`driver ${driverVersion}`]), ...(vbios ? [] : [`VBIOS ${name}`])].join(' and ')}`,
    };
  const differing = compareGolden(measurements, driver, vbios);
  return compare(
    differing.length === 0,
    'policy_gpu_measurements',
    'golden values of driver and VBIOS',
    differing.length === 0 ? 'they match' : `block ${differing.join(', ')} differs`,
  );
}

/**
 * Blocks whose value is none of the golden ones, ascending. A block that both driver and VBIOS claim counts as differing:
 * one of the two files is not for this machine.
 */
export function compareGolden(
  measurements: readonly Bytes[],
  driver: Pick<GoldenDriver, 'blocks'>,
  vbios: Pick<GoldenVbios, 'blocks'>,
): readonly number[] {
  const differs = ({ block, digests }: GoldenBlock) => {
    const measured = measurements[block - 1];
    return measured === undefined || !digests.includes(toHex(measured));
  };
  const claimedTwice = driver.blocks.filter(({ block }) =>
    vbios.blocks.some((other) => other.block === block),
  );
  const wrong = [...driver.blocks, ...vbios.blocks].filter(differs).concat(claimedTwice);
  return [...new Set(wrong.map(({ block }) => block))].sort((a, b) => a - b);
}

/** Compares versions number by number; a missing number counts as 0. An empty version is never enough. */
export function isAtLeast(version: string, floor: string, radix: 10 | 16): boolean {
  if (version === '') return false;
  const have = version.split('.').map((part) => Number.parseInt(part, radix));
  const need = floor.split('.').map((part) => Number.parseInt(part, radix));
  for (let index = 0; index < Math.max(have.length, need.length); index++) {
    const difference = (have[index] ?? 0) - (need[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
