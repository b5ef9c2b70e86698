// Says in advance which driver and profile a start would have, so that a manifest can name them before anything runs.

import { currentArchitecture, loadNativeCalls, locateKoffi } from './native-calls.ts';
import { buildProfile } from './profile.ts';
import type { DriverName, SandboxedProgram } from './sandboxed-engine.ts';
import { requireLandlock } from './start-in-sandbox.ts';

/** What a start on this machine would report. */
export interface SandboxPlan {
  readonly driver: 'landlock' | 'none';
  /** Lower-case hex SHA-256, equal to `ProbeReport.profileDigest` of a start of the same program. */
  readonly profileDigest: string;
}

/**
 * Plans a start.
 * @throws SandboxError `sandbox_unavailable` where the kernel lacks Landlock.
 */
export function planSandbox(driver: DriverName, program: SandboxedProgram): SandboxPlan {
  const architecture = currentArchitecture();
  const landlockAbi = driver === 'none' ? 0 : requireLandlock(loadNativeCalls(locateKoffi(architecture)));
  const profile = buildProfile({
    driver: driver === 'none' ? 'none' : 'landlock',
    landlockAbi,
    architecture,
    readOnly: program.readOnly,
    limits: program.limits,
    ownUser: process.getuid?.() === 0,
  });
  return { driver: profile.driver, profileDigest: profile.digest };
}
