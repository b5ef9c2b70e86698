// What this machine can run of the sandbox tests.

import { readFileSync } from 'node:fs';
import { USER_RANGE } from '../../../../backend/engine/sandbox/allocate-user.ts';
import { requireBubblewrap, requireGvisor } from '../../../../backend/engine/sandbox/find-binary.ts';
import { MINIMUM_LANDLOCK_ABI } from '../../../../backend/engine/sandbox/landlock-rules.ts';
import {
  loadNativeCalls,
  locateKoffi,
  readLandlockAbi,
} from '../../../../backend/engine/sandbox/native-calls.ts';
import { requireLandlock } from '../../../../backend/engine/sandbox/plan-sandbox.ts';
import type { Driver } from '../../../../backend/engine/sandbox/sandboxed-engine.ts';

const supported = process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64');

/** The architecture, where the sandbox has tables for it. */
export const architecture: 'x64' | 'arm64' = process.arch === 'arm64' ? 'arm64' : 'x64';

/** The kernel's Landlock ABI; 0 where it has none. */
export const landlockAbi = supported ? readLandlockAbi(loadNativeCalls(locateKoffi(architecture))) : 0;

/** Whether the landlock driver can run here. */
export const hasLandlock = landlockAbi >= MINIMUM_LANDLOCK_ABI;

/** Each driver, and why it cannot run here; for the titles of tests that need it. */
export const drivers: readonly { readonly driver: Exclude<Driver, 'none'>; readonly missing: string }[] = (
  [
    ['landlock', () => requireLandlock(loadNativeCalls(locateKoffi(architecture)))],
    ['bubblewrap', requireBubblewrap],
    ['gvisor', requireGvisor],
  ] as const
).map(([driver, require]) => {
  try {
    if (!supported) return { driver, missing: ' (skipped: not Linux on x64 or arm64)' };
    require();
    return { driver, missing: '' };
  } catch (error) {
    return { driver, missing: ` (skipped: ${(error as Error).message})` };
  }
});

/** For the titles of tests that need it. */
export const needsLandlock = hasLandlock ? '' : ' (skipped: this kernel has no Landlock ABI 3)';

/** The user of a process, as the host sees it. */
export function userOf(pid: number): number {
  return Number(/^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
}

/** Whether a sandbox of a root caller may have this user. */
export function isOwnUser(user: unknown): boolean {
  return typeof user === 'number' && user >= USER_RANGE.first && user <= USER_RANGE.last;
}
