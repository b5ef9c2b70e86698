// What Landlock handles at each ABI, and which files of the host stay readable.

import { existsSync, realpathSync, statSync } from 'node:fs';

/** One allowed place: a file, or a folder with all below. */
export interface LandlockRule {
  /** Absolute path; symbolic links are followed once, when the rule is made. */
  readonly path: string;
  /** LANDLOCK_ACCESS_FS_* bits. */
  readonly rights: number;
}

/** The masks of `struct landlock_ruleset_attr` (linux/landlock.h). */
export interface LandlockHandled {
  /** Length of the struct that this ABI takes, in octets. */
  readonly size: 8 | 16 | 24;
  readonly filesystem: number;
  readonly network: number;
  readonly scoped: number;
}

/**
 * The lowest ABI accepted: 3 (Linux 6.2). Below it truncation is not handled, and `open` with O_TRUNC on a file of the same
 * user would destroy it with no system call that a filter could tell from reading. What later ABIs add (4: TCP, 5: device
 * ioctl, 6: signals and abstract sockets) is refused by the seccomp profile as well.
 */
export const MINIMUM_LANDLOCK_ABI = 3;

const EXECUTE = 1 << 0;
const WRITE_FILE = 1 << 1;
const READ_FILE = 1 << 2;
const READ_DIR = 1 << 3;

// Highest filesystem bit by ABI: 1 MAKE_SYM, 2 REFER, 3 TRUNCATE, 5 IOCTL_DEV.
const FILESYSTEM_BITS = [0, 13, 14, 15, 15, 16];

/** Every right that the ABI knows: what is not handled is not restricted. ABIs above 7 are used as 7. */
export function handledByLandlock(abi: number): LandlockHandled {
  const bits = FILESYSTEM_BITS[Math.min(abi, FILESYSTEM_BITS.length - 1)] ?? 0;
  return {
    size: abi >= 6 ? 24 : abi >= 4 ? 16 : 8,
    filesystem: 2 ** bits - 1,
    network: abi >= 4 ? 0b11 : 0,
    scoped: abi >= 6 ? 0b11 : 0,
  };
}

const LIBRARY_FOLDERS = {
  x64: ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/lib64', '/usr/lib64', '/lib', '/usr/lib'],
  arm64: ['/lib/aarch64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/lib64', '/usr/lib64', '/lib', '/usr/lib'],
} as const;

// What Node and llama.cpp link to. One by one, so that no other library of the host becomes a tool.
const LIBRARIES = {
  x64: ['ld-linux-x86-64.so.2'],
  arm64: ['ld-linux-aarch64.so.1'],
  both: [
    ...['libc.so.6', 'libm.so.6', 'libdl.so.2', 'libpthread.so.0', 'librt.so.1'],
    ...['libgcc_s.so.1', 'libstdc++.so.6', 'libgomp.so.1', 'libatomic.so.1'],
  ],
} as const;

/** The libraries that exist on this machine, under each folder and name by which a loader may look for them. */
export function listLibraries(
  architecture: 'x64' | 'arm64',
): readonly { readonly folder: string; readonly name: string }[] {
  const names = [...LIBRARIES[architecture], ...LIBRARIES.both];
  return LIBRARY_FOLDERS[architecture]
    .flatMap((folder) => names.map((name) => ({ folder, name })))
    .filter(({ folder, name }) => existsSync(`${folder}/${name}`));
}

/** The files of the host that any dynamically linked program needs, as they exist on this machine. */
export function listSystemRules(architecture: 'x64' | 'arm64'): LandlockRule[] {
  const rules: LandlockRule[] = [
    { path: '/dev/null', rights: READ_FILE | WRITE_FILE },
    { path: '/dev/urandom', rights: READ_FILE },
    { path: '/etc/ld.so.cache', rights: READ_FILE },
    // Node's OpenSSL ends the process where the file is there and cannot be read
    { path: '/etc/ssl/openssl.cnf', rights: READ_FILE },
  ].filter((rule) => existsSync(rule.path));
  const found = new Set(
    listLibraries(architecture).map(({ folder, name }) => realpathSync(`${folder}/${name}`)),
  );
  for (const path of [...found].sort()) rules.push({ path, rights: READ_FILE | EXECUTE });
  return rules;
}

/** Read and execute below one declared place. */
export function readAndExecute(path: string): LandlockRule {
  const folder = statSync(path).isDirectory();
  return { path, rights: READ_FILE | EXECUTE | (folder ? READ_DIR : 0) };
}
