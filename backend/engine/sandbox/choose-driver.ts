// Chooses the driver of a start.

import { requireBubblewrap, requireGvisor } from './find-binary.ts';
import { SandboxError } from './sandbox-error.ts';
import type { Driver, DriverName } from './sandboxed-engine.ts';

/** What each driver needs of the machine; each throws `sandbox_unavailable` where it lacks that. */
export interface DriverChecks {
  bubblewrap(): unknown;
  gvisor(): unknown;
  landlock(): unknown;
}

/**
 * The driver for a name; the same answer at every call in one process, so that a plan and the start it announces agree.
 *
 * `auto` is bubblewrap where it works and landlock otherwise, both cheap to ask (one short-lived process, none where the package
 * is absent). gVisor is taken by name alone: it wants uid 0, and the version that Debian ships (2022, platform ptrace) costs
 * half the request rate; who wants its protection from holes in the host's kernel chooses it knowingly. What was chosen and then
 * fails its probe is an error, never a reason to try a weaker one.
 * @throws SandboxError `sandbox_unavailable`, with the remedies of every driver that was considered
 */
export function chooseDriver(name: DriverName, checks: DriverChecks): Driver {
  if (name === 'none') return 'none';
  if (name !== 'auto') {
    checks[name]();
    return name;
  }
  const reasons: string[] = [];
  for (const driver of ['bubblewrap', 'landlock'] as const) {
    try {
      checks[driver]();
      return driver;
    } catch (error) {
      if (!(error instanceof SandboxError) || error.code !== 'sandbox_unavailable') throw error;
      reasons.push(error.message);
    }
  }
  throw new SandboxError('sandbox_unavailable', reasons.join('; or '));
}

/** The checks of this machine; `landlock` is the caller's, who holds the system call. */
export function checksOfThisMachine(landlock: () => unknown): DriverChecks {
  return { bubblewrap: requireBubblewrap, gvisor: requireGvisor, landlock };
}
