// Says in advance which driver and profile a start would have, so that a manifest can name them before anything runs.

import { checksOfThisMachine, chooseDriver } from './choose-driver.ts';
import { type DriverBinary, requireBubblewrap, requireGvisor } from './find-binary.ts';
import { MINIMUM_LANDLOCK_ABI } from './landlock-rules.ts';
import {
  currentArchitecture,
  loadNativeCalls,
  locateKoffi,
  type NativeCall,
  readLandlockAbi,
} from './native-calls.ts';
import { buildProfile, type ProfileInput } from './profile.ts';
import { SandboxError } from './sandbox-error.ts';
import type { Driver, DriverName, SandboxedProgram } from './sandboxed-engine.ts';

/** What a start on this machine would report. */
export interface SandboxPlan {
  readonly driver: Driver;
  /** Lower-case hex SHA-256, equal to `ProbeReport.profileDigest` of a start of the same program. */
  readonly profileDigest: string;
}

/** A driver that works here, with what its profile takes from the machine. */
export interface ReadyDriver {
  readonly driver: Driver;
  readonly binary: DriverBinary | undefined;
  readonly landlockAbi: number;
}

/**
 * Plans a start.
 * @throws SandboxError `sandbox_unavailable` where the machine lacks what the driver needs, with the remedy.
 */
export function planSandbox(driver: DriverName, program: SandboxedProgram): SandboxPlan {
  const architecture = currentArchitecture();
  const ready = readyDriver(driver, loadNativeCalls(locateKoffi(architecture)));
  const profile = buildProfile(
    profileInput(ready, program, program.readOnly, architecture, process.getuid?.() === 0),
  );
  return { driver: profile.driver, profileDigest: profile.digest };
}

/**
 * Chooses the driver and asks it of the machine.
 * @throws SandboxError `sandbox_unavailable`, with the remedy
 */
export function readyDriver(name: DriverName, call: NativeCall): ReadyDriver {
  const driver = chooseDriver(
    name,
    checksOfThisMachine(() => requireLandlock(call)),
  );
  const binary =
    driver === 'bubblewrap' ? requireBubblewrap() : driver === 'gvisor' ? requireGvisor() : undefined;
  return { driver, binary, landlockAbi: driver === 'landlock' ? requireLandlock(call) : 0 };
}

/** What a program's profile is made from; `readOnly` as the sandbox reaches it. */
export function profileInput(
  { driver, binary, landlockAbi }: ReadyDriver,
  program: SandboxedProgram,
  readOnly: readonly string[],
  architecture: ProfileInput['architecture'],
  ownUser: boolean,
): ProfileInput {
  const { limits, kind = 'fd', devices = [] } = program;
  const fixed = { driver, landlockAbi, kind, devices, architecture, readOnly, limits, ownUser };
  return binary === undefined ? fixed : { ...fixed, binary };
}

/**
 * The Landlock ABI of this kernel.
 * @throws SandboxError `sandbox_unavailable`, saying what is missing and the remedy
 */
export function requireLandlock(call: NativeCall): number {
  const abi = readLandlockAbi(call);
  if (abi >= MINIMUM_LANDLOCK_ABI) return abi;
  throw new SandboxError(
    'sandbox_unavailable',
    abi === 0
      ? 'this kernel has no Landlock: boot Linux 6.2 or later with landlock in its lsm= list'
      : `this kernel has Landlock ABI ${abi}, needed is ${MINIMUM_LANDLOCK_ABI}: boot Linux 6.2 or later`,
  );
}
