// System calls from this process, through koffi's native module: the Landlock version and the probe's kernel canaries.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { SeccompArchitecture } from './compile-seccomp.ts';
import { SandboxError } from './sandbox-error.ts';
import { SYSCALLS_ARM64 } from './syscalls-arm64.ts';
import { SYSCALLS_X64 } from './syscalls-x64.ts';

interface Koffi {
  load(path: null): { func(definition: string): (...values: unknown[]) => number };
  address(value: Uint8Array): bigint;
  errno(): number;
}

/** Numbers of the calls that both architectures have. */
export type SyscallNumbers = Readonly<Record<keyof typeof SYSCALLS_ARM64, number>>;

/** One raw system call: the result, or -1 with the errno. Octet arrays are passed by address. */
export type NativeCall = (number: number, ...values: readonly (number | bigint | Uint8Array)[]) => number;

/**
 * The architecture of this process, if this room has tables for it.
 * @throws SandboxError `sandbox_unavailable` on any system but Linux on x64 or arm64.
 */
export function currentArchitecture(): SeccompArchitecture {
  if (process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64'))
    return process.arch;
  throw new SandboxError(
    'sandbox_unavailable',
    `no sandbox driver for ${process.platform} on ${process.arch}: use Linux on x64 or arm64, or a Linux virtual machine`,
  );
}

/** The system call numbers of this architecture. */
export function syscallTable(architecture: SeccompArchitecture): SyscallNumbers {
  return architecture === 'x64' ? SYSCALLS_X64 : SYSCALLS_ARM64;
}

/**
 * Absolute path of koffi's native module: loaded as it is, without the package's JavaScript, so that one readable file is
 * enough for the probe.
 * @throws SandboxError `sandbox_unavailable` where the package is not installed.
 */
export function locateKoffi(architecture: SeccompArchitecture): string {
  try {
    const fromKoffi = createRequire(createRequire(import.meta.url).resolve('koffi'));
    const folder = dirname(fromKoffi.resolve(`@koromix/koffi-linux-${architecture}`));
    const path = join(folder, `linux_${architecture}`, 'koffi.node');
    if (existsSync(path)) return path;
  } catch {
    // reported below, together with a package that lacks its file
  }
  throw new SandboxError(
    'sandbox_unavailable',
    `koffi for linux-${architecture} is missing: run npm install`,
  );
}

/** Loads koffi's native module into this process and binds `syscall(2)`. */
export function loadNativeCalls(koffiPath: string): NativeCall {
  const native = { exports: {} as Koffi };
  process.dlopen(native, koffiPath);
  const koffi = native.exports;
  const call = koffi
    .load(null)
    .func('long syscall(long n, intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e, intptr_t f)');
  return (number, ...values) => {
    const words = values.map((value) => (value instanceof Uint8Array ? koffi.address(value) : value));
    while (words.length < 6) words.push(0);
    return call(number, ...words);
  };
}

/** The Landlock ABI of this kernel: 0 where it has none or booted without it (LANDLOCK_CREATE_RULESET_VERSION = 1). */
export function readLandlockAbi(call: NativeCall): number {
  return Math.max(0, call(SYSCALLS_X64.landlock_create_ruleset, 0, 0, 1));
}
