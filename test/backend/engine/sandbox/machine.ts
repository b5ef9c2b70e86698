// What this machine can run of the sandbox tests.

import { MINIMUM_LANDLOCK_ABI } from '../../../../backend/engine/sandbox/landlock-rules.ts';
import {
  loadNativeCalls,
  locateKoffi,
  readLandlockAbi,
} from '../../../../backend/engine/sandbox/native-calls.ts';

const supported = process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64');

/** The architecture, where the sandbox has tables for it. */
export const architecture = process.arch === 'arm64' ? 'arm64' : 'x64';

/** The kernel's Landlock ABI; 0 where it has none. */
export const landlockAbi = supported ? readLandlockAbi(loadNativeCalls(locateKoffi(architecture))) : 0;

/** Whether the landlock driver can run here. */
export const hasLandlock = landlockAbi >= MINIMUM_LANDLOCK_ABI;

/** For the titles of tests that need it. */
export const needsLandlock = hasLandlock ? '' : ' (skipped: this kernel has no Landlock ABI 3)';
