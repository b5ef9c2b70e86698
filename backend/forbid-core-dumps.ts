// Makes the end of this process leave nothing behind: a core of the adapter would hold the requests that it is answering.

import {
  currentArchitecture,
  loadNativeCalls,
  locateKoffi,
  syscallTable,
} from './engine/sandbox/native-calls.ts';

const RLIMIT_CORE = 4;
// Not 0: that keeps the kernel from writing a file, but not from feeding a core_pattern that is a pipe. 1 does both (fs/coredump.c).
const NO_CORE = 1n;

/**
 * Sets RLIMIT_CORE of this process and of everything that it starts, for good. Does nothing on a system without a sandbox, where `none`
 * is all that a node can have.
 */
export function forbidCoreDumps(): void {
  if (process.platform !== 'linux') return;
  const architecture = currentArchitecture();
  const call = loadNativeCalls(locateKoffi(architecture));
  // struct rlimit64: current, maximum
  const limit = new Uint8Array(new BigUint64Array([NO_CORE, NO_CORE]).buffer);
  if (call(syscallTable(architecture).prlimit64, 0, RLIMIT_CORE, limit, 0) < 0)
    throw new Error('core dumps of this process cannot be forbidden');
}
