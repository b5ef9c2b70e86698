// Attempts to read what was not declared, to leave anything behind, and to reach a device that makes evidence.

import type { Attempt, ProbeTools } from './probe.ts';

/** Reads outside the declared files, programs of the host, and ways to another view of the file system. */
export function attemptHostFiles(t: ProbeTools): readonly Attempt[] {
  const DIRECTORY = 0o200000;
  const { n, canary } = t;
  const ownRoot = t.own.rootNames.length > 0;
  const attempt = (id: string, run: () => string): Attempt => ({ id, breaks: 'host-filesystem', run });
  const run = (path: string): string => {
    const { error } = process.getBuiltinModule('node:child_process').spawnSync(path, ['-c', 'exit 0']);
    const code = (error as { readonly code?: string } | undefined)?.code;
    // not in this root
    if (code === 'ENOENT') return 'absent';
    return error === undefined ? 'open' : (code ?? 'unreadable');
  };
  return [
    attempt('read-canary', () => t.tryRead(canary.file)),
    attempt('read-passwd', () => t.tryRead('/etc/passwd')),
    attempt('read-shadow', () => t.tryRead('/etc/shadow')),
    attempt('read-hostname', () => t.tryRead('/etc/hostname')),
    attempt('read-resolver', () => t.tryRead('/etc/resolv.conf')),
    attempt('read-logs', () => t.tryOpen('/var/log', DIRECTORY)),
    attempt('list-root', () => {
      const found = t.tryOpen('/', DIRECTORY);
      if (found !== 'open') return found;
      const names = process.getBuiltinModule('node:fs').readdirSync('/');
      return t.ifOwn(
        names.every((name) => t.own.rootNames.includes(name)),
        found,
      );
    }),
    attempt('list-tmp', () => {
      const found = t.tryOpen('/tmp', DIRECTORY);
      if (found !== 'open') return found;
      // the host's has the canaries in it
      const names = process.getBuiltinModule('node:fs').readdirSync('/tmp');
      return t.ifOwn(ownRoot && !names.some((name) => canary.folder === `/tmp/${name}`), found);
    }),
    attempt('list-home', () => t.tryOpen('/home', DIRECTORY)),
    attempt('list-canary-folder', () => t.tryOpen(canary.folder, DIRECTORY)),
    attempt('read-disk', () => t.tryRead('/dev/vda')),
    attempt('read-memory-device', () => t.tryRead('/dev/mem')),
    attempt('read-through-handle', () => {
      // struct file_handle: octets u32, type s32, handle
      const handle = new Uint8Array(8 + 128);
      new DataView(handle.buffer).setUint32(0, 128, true);
      const named = t.call(n.name_to_handle_at, -100, t.text(canary.file), handle, new Uint8Array(4), 0);
      if (named < 0) return t.verdict(named);
      const opened = t.call(n.open_by_handle_at, -100, handle, 0);
      t.close(opened);
      return t.verdict(opened);
    }),
    attempt('run-shell', () => run('/bin/sh')),
    attempt('run-canary-program', () => run(canary.program)),
    attempt('chroot', () => t.verdict(t.call(n.chroot, t.text(canary.folder)))),
    attempt('mount', () =>
      t.verdict(t.call(n.mount, t.text('none'), t.text(canary.folder), t.text('tmpfs'), 0, 0)),
    ),
    attempt('unmount', () => t.verdict(t.call(n.umount2, t.text(canary.folder), 0))),
    attempt('open-tree', () => t.verdict(t.call(n.open_tree, -100, t.text(canary.folder), 1))),
    attempt('new-filesystem', () => t.verdict(t.call(n.fsopen, t.text('tmpfs'), 0))),
    attempt('pivot-root', () =>
      t.verdict(t.call(n.pivot_root, t.text(canary.folder), t.text(canary.folder))),
    ),
  ];
}

/** Everything that would still be there after the sandbox. What succeeds is undone at once. */
export function attemptPersistentWrites(t: ProbeTools): readonly Attempt[] {
  const CREATE = 0o1 | 0o100 | 0o200;
  const WRITE = 0o1;
  const TRUNCATE = 0o1000;
  const APPEND = 0o2000;
  const TMPFILE = 0o20200000;
  const AT_FDCWD = -100;
  const AT_REMOVEDIR = 0x200;
  const { n, canary } = t;
  const attempt = (id: string, run: () => string): Attempt => ({ id, breaks: 'persistent-writes', run });
  const remove = (path: string, flags = 0) => t.call(n.unlinkat, AT_FDCWD, t.text(path), flags);
  const ownRoot = t.own.rootNames.length > 0;
  // file systems that the driver made in memory
  const inMemory = ['/tmp', '/dev/shm'];
  const mark = `cloister-probe-${canary.adapter}-${canary.nonce.slice(0, 16)}`;
  const create = (folder: string): string => {
    const path = `${folder}/${mark}`;
    const verdict = t.tryOpen(path, CREATE);
    // where the root is the sandbox's own the mark stays, and the host looks for it
    if (verdict === 'open' && !ownRoot) remove(path);
    return t.ifOwn(ownRoot && inMemory.includes(folder), verdict);
  };
  const made = (result: number, path: string, flags = 0): string => {
    if (result >= 0) remove(path, flags);
    return t.verdict(result);
  };
  const inFolder = (name: string) => `${canary.folder}/${name}`;
  const file = () => t.text(canary.file);
  const onReadable = (go: (descriptor: number) => number): string => {
    // the program itself is readable: what could be done to it through that?
    const descriptor = t.open(process.execPath, 0);
    if (descriptor < 0) return t.verdict(descriptor);
    const result = go(descriptor);
    t.close(descriptor);
    return t.verdict(result);
  };
  return [
    attempt('create-in-tmp', () => create('/tmp')),
    attempt('create-in-var-tmp', () => create('/var/tmp')),
    attempt('create-in-shared-memory', () => create('/dev/shm')),
    attempt('create-in-run', () => create('/run')),
    attempt('create-beside-channel', () => {
      const found = create('/channel');
      // a file system of two inodes, its root and the socket
      return found === 'ENOSPC' ? 'full' : found;
    }),
    attempt('create-in-lock', () => create('/run/lock')),
    attempt('create-in-home', () => create('/root')),
    attempt('create-in-working-folder', () => create(process.cwd())),
    attempt('create-beside-program', () =>
      create(process.execPath.slice(0, process.execPath.lastIndexOf('/'))),
    ),
    attempt('create-beside-canary', () => create(canary.folder)),
    attempt('create-unnamed', () => t.ifOwn(ownRoot, t.tryOpen('/tmp', TMPFILE | 0o2))),
    attempt('write-canary', () => t.tryOpen(canary.file, WRITE)),
    attempt('append-canary', () => t.tryOpen(canary.file, WRITE | APPEND)),
    attempt('truncate-canary-on-open', () => t.tryOpen(inFolder('spare'), TRUNCATE)),
    attempt('truncate-canary', () => t.verdict(t.call(n.truncate, t.text(inFolder('spare')), 0))),
    // Not node's own binary: a file that runs is busy (ETXTBSY) before anybody asks whether it may be written.
    attempt('write-declared', () => t.tryOpen(t.declared, WRITE)),
    attempt('truncate-program-descriptor', () => onReadable((fd) => t.call(n.ftruncate, fd, 1n << 40n))),
    attempt('allocate-program-descriptor', () => onReadable((fd) => t.call(n.fallocate, fd, 1, 0, 1))),
    attempt('lock-program', () => onReadable((fd) => t.call(n.flock, fd, 1 | 4))),
    attempt('touch-canary', () => t.verdict(t.call(n.utimensat, AT_FDCWD, file(), 0, 0))),
    attempt('chmod-canary', () => t.verdict(t.call(n.fchmodat, AT_FDCWD, file(), 0o666))),
    attempt('chown-canary', () => t.verdict(t.call(n.fchownat, AT_FDCWD, file(), -1, -1, 0))),
    attempt('attribute-canary', () =>
      t.verdict(t.call(n.setxattr, file(), t.text('user.cloister'), t.text('x'), 1, 0)),
    ),
    attempt('rename-canary', () => {
      const [from, to] = [t.text(inFolder('spare')), t.text(inFolder('renamed'))];
      const result = t.call(n.renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
      if (result >= 0) t.call(n.renameat2, AT_FDCWD, to, AT_FDCWD, from, 0);
      return t.verdict(result);
    }),
    attempt('link-canary', () => {
      const path = inFolder('linked');
      return made(t.call(n.linkat, AT_FDCWD, t.text(inFolder('spare')), AT_FDCWD, t.text(path), 0), path);
    }),
    attempt('symlink', () => {
      const path = inFolder('symbolic');
      return made(t.call(n.symlinkat, t.text('/etc/shadow'), AT_FDCWD, t.text(path)), path);
    }),
    attempt('make-folder', () => {
      const path = inFolder('made');
      return made(t.call(n.mkdirat, AT_FDCWD, t.text(path), 0o700), path, AT_REMOVEDIR);
    }),
    attempt('make-fifo', () => {
      const path = inFolder('fifo');
      return made(t.call(n.mknodat, AT_FDCWD, t.text(path), 0o010600, 0), path);
    }),
    attempt('unlink-canary', () => t.verdict(remove(inFolder('victim')))),
    // RLIMIT_CORE = 4: read, and set to what it is; allowed at all, a core could be sent through a core_pattern that is a pipe
    attempt('core-limit', () => {
      const limit = new Uint8Array(16);
      t.call(n.prlimit64, 0, 4, 0, limit);
      return t.verdict(t.call(n.prlimit64, 0, 4, limit, 0));
    }),
    attempt('core-pattern', () => t.tryOpen('/proc/sys/kernel/core_pattern', WRITE)),
    attempt('clock', () => t.tryOpen('/dev/rtc0', WRITE)),
    attempt('kernel-log', () => t.tryOpen('/dev/kmsg', WRITE)),
    attempt('system-log', () => t.tryOpen('/dev/log', WRITE)),
  ];
}

/** Devices by which an engine could have keys of its own attested, and the host's direct lines. Absent ones count as blocked. */
export function attemptEvidenceDevices(t: ProbeTools): readonly Attempt[] {
  const READ_WRITE = 0o2;
  const attempt = (id: string, run: () => string): Attempt => ({ id, breaks: 'evidence-devices', run });
  const devices = [
    ...[
      'sev-guest',
      'sev',
      'tdx_guest',
      'tdx-guest',
      'tpm0',
      'tpmrm0',
      'vtpmx',
      'sgx_enclave',
      'sgx_provision',
    ],
    ...['kvm', 'vsock', 'vhost-vsock', 'nitro_enclaves'],
  ];
  return [
    ...devices.map((name) => attempt(`device-${name}`, () => t.tryOpen(`/dev/${name}`, READ_WRITE))),
    attempt('configfs-tsm', () => t.tryOpen('/sys/kernel/config/tsm/report', 0o200000)),
    attempt('configfs-tsm-entry', () => {
      const path = t.text('/sys/kernel/config/tsm/report/cloister-probe');
      const made = t.call(t.n.mkdirat, -100, path, 0o700);
      if (made >= 0) t.call(t.n.unlinkat, -100, path, 0x200);
      return t.verdict(made);
    }),
    attempt('tpm-event-log', () => t.tryRead('/sys/kernel/security/tpm0/binary_bios_measurements')),
    attempt('tsm-registers', () => t.tryOpen('/sys/class/misc/tdx_guest/measurements', 0o200000)),
  ];
}
