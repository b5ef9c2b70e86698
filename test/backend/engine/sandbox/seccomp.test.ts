import { describe, expect, it } from 'vitest';
import {
  compileSeccomp,
  type SeccompArchitecture,
} from '../../../../backend/engine/sandbox/compile-seccomp.ts';
import { syscallTable } from '../../../../backend/engine/sandbox/native-calls.ts';
import { listSyscallRules } from '../../../../backend/engine/sandbox/seccomp-profile.ts';
import { SYSCALLS_X64 } from '../../../../backend/engine/sandbox/syscalls-x64.ts';
import { interpretBpf, isWellFormed } from './interpret-bpf.ts';

const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const errno = (number: number) => 0x00050000 | number;
const [EPERM, ENOSYS, EAFNOSUPPORT] = [errno(1), errno(38), errno(97)];
const ARCHITECTURES = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;

describe('compiling rules', () => {
  it('jumps over a rule to the next, and past the remaining values to the check after', () => {
    const program = compileSeccomp(
      [
        { name: 'read' },
        {
          name: 'ioctl',
          checks: [
            { argument: 1, anyOf: [5, 6, 7] },
            { argument: 2, isNull: true },
          ],
          errno: 25,
        },
        { name: 'write', refuse: true, errno: 9 },
      ],
      'x64',
    );
    expect(isWellFormed(program)).toBe(true);
    const run = (number: number, ...words: (number | bigint)[]) =>
      interpretBpf(program, { architecture: ARCHITECTURES.x64, number, words });
    expect(run(SYSCALLS_X64.read)).toBe(ALLOW);
    for (const value of [5, 6, 7]) expect(run(SYSCALLS_X64.ioctl, 0, value, 0)).toBe(ALLOW);
    expect(run(SYSCALLS_X64.ioctl, 0, 8, 0)).toBe(errno(25));
    expect(run(SYSCALLS_X64.ioctl, 0, 5, 1)).toBe(errno(25));
    expect(run(SYSCALLS_X64.ioctl, 0, 5, 1n << 32n)).toBe(errno(25));
    expect(run(SYSCALLS_X64.write)).toBe(errno(9));
    expect(run(SYSCALLS_X64.getpid)).toBe(EPERM);
  });

  it('refuses two rules for one call, a seventh argument and a jump that is too long', () => {
    expect(() => compileSeccomp([{ name: 'read' }, { name: 'read' }], 'x64')).toThrow(RangeError);
    expect(() => compileSeccomp([{ name: 'read', checks: [{ argument: 6, anyOf: [0] }] }], 'x64')).toThrow(
      RangeError,
    );
    const anyOf = Array.from({ length: 256 }, (_, index) => index);
    expect(() => compileSeccomp([{ name: 'read', checks: [{ argument: 0, anyOf }] }], 'x64')).toThrow(
      RangeError,
    );
  });
});

describe.each(['x64', 'arm64'] as const)('the fd profile on %s', (architecture: SeccompArchitecture) => {
  const n = syscallTable(architecture);
  const compile = (families: readonly number[], signals: boolean) =>
    compileSeccomp(listSyscallRules({ families, signals }), architecture);
  const program = compile([], true);
  const run = (number: number, ...words: (number | bigint)[]) =>
    interpretBpf(program, { architecture: ARCHITECTURES[architecture], number, words });

  it('is a program that the kernel takes', () => {
    expect(isWellFormed(program)).toBe(true);
    expect(program.length / 8).toBeLessThan(600);
  });

  it('kills under any other architecture', () => {
    const other = architecture === 'x64' ? ARCHITECTURES.arm64 : ARCHITECTURES.x64;
    for (const foreign of [other, 0x40000003, 0x40000028, 0])
      expect(interpretBpf(program, { architecture: foreign, number: n.read })).toBe(KILL);
  });

  it('lets a Node engine work', () => {
    for (const number of [
      n.read,
      n.write,
      n.openat,
      n.futex,
      n.epoll_pwait,
      n.execve,
      n.wait4,
      n.accept4,
      n.listen,
    ])
      expect(run(number)).toBe(ALLOW);
  });

  it.each([
    ...(['bind', 'connect', 'setsockopt', 'memfd_create', 'io_uring_setup', 'io_uring_enter'] as const),
    ...([
      'userfaultfd',
      'bpf',
      'perf_event_open',
      'ptrace',
      'process_vm_readv',
      'process_vm_writev',
    ] as const),
    ...(['pidfd_open', 'pidfd_getfd', 'pidfd_send_signal', 'keyctl', 'add_key', 'request_key'] as const),
    ...([
      'shmget',
      'shmat',
      'msgget',
      'semget',
      'mq_open',
      'mount',
      'umount2',
      'fsopen',
      'open_tree',
    ] as const),
    ...([
      'move_mount',
      'pivot_root',
      'unshare',
      'setns',
      'chroot',
      'fchmod',
      'fchmodat',
      'utimensat',
    ] as const),
    ...([
      'truncate',
      'ftruncate',
      'fallocate',
      'renameat2',
      'mkdirat',
      'linkat',
      'unlinkat',
      'symlinkat',
    ] as const),
    ...(['mknodat', 'setxattr', 'fsetxattr', 'flock', 'execveat', 'seccomp', 'setsid', 'setpgid'] as const),
    ...(['name_to_handle_at', 'open_by_handle_at', 'openat2', 'inotify_init1', 'personality'] as const),
    ...(['sched_setaffinity', 'setpriority', 'setresuid', 'sethostname', 'init_module', 'syslog'] as const),
  ] as const)('answers %s with EPERM', (name) => {
    expect(run(n[name])).toBe(EPERM);
  });

  it('answers every number without a rule with EPERM', () => {
    const named = new Set(
      listSyscallRules({ families: [], signals: true }).map((rule) => rule.name as string),
    );
    const numbers = new Set(
      Object.entries(n)
        .filter(([name]) => named.has(name))
        .map(([, number]) => number),
    );
    for (let number = 0; number < 1024; number++) if (!numbers.has(number)) expect(run(number)).toBe(EPERM);
  });

  it('has no x32 table', () => {
    expect(run(0x40000000 + n.read)).toBe(EPERM);
    expect(run(0xffffffff)).toBe(EPERM);
  });

  it('gives no socket of any family, and stream pairs only', () => {
    for (let family = 0; family < 64; family++) expect(run(n.socket, family, 1, 0)).toBe(EAFNOSUPPORT);
    expect(run(n.socketpair, 1, 1 | 0o2000000 | 0o4000, 0)).toBe(ALLOW);
    for (const type of [2, 3, 5]) expect(run(n.socketpair, 1, type, 0)).toBe(EPERM);
    expect(run(n.socketpair, 2, 1, 0)).toBe(EPERM);
    expect(run(n.sendto, 5, 4096, 1, 0, 0, 0)).toBe(ALLOW);
    expect(run(n.sendto, 5, 4096, 1, 0, 0x7f0000000000n, 16)).toBe(EPERM);
  });

  it('makes processes and threads, but no namespace and no child of its parent', () => {
    expect(run(n.clone3)).toBe(ENOSYS);
    expect(run(n.clone, 0x3d0f00)).toBe(ALLOW);
    expect(run(n.clone, 0x01200011)).toBe(ALLOW);
    for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x8000])
      expect(run(n.clone, flag | 17)).toBe(EPERM);
    // the kernel reads 32 bits of the flags, and so does the filter
    expect(run(n.clone, 0x1000000010000011n)).toBe(EPERM);
  });

  it('keeps ioctl, fcntl, prctl, prlimit64 and mmap to what Node needs', () => {
    expect(run(n.ioctl, 1, 0x5401)).toBe(ALLOW);
    for (const command of [0x5412, 0x541c, 0xc0205300, 0x15412n + 0xfffffff00000000n])
      expect(run(n.ioctl, 1, command)).toBe(EPERM);
    expect(run(n.fcntl, 1, 3)).toBe(ALLOW);
    for (const command of [5, 6, 7, 8, 10, 1024, 1033]) expect(run(n.fcntl, 1, command)).toBe(EPERM);
    expect(run(n.prctl, 15)).toBe(ALLOW);
    for (const option of [1, 4, 22, 38]) expect(run(n.prctl, option)).toBe(EPERM);
    expect(run(n.prlimit64, 0, 7)).toBe(ALLOW);
    expect(run(n.prlimit64, 4242, 7)).toBe(EPERM);
    expect(run(n.prlimit64, 0, 4, 0x7f0000000000n)).toBe(EPERM);
    expect(run(n.mmap, 0, 4096, 3, 0x22)).toBe(ALLOW);
    expect(run(n.mmap, 0, 4096, 1, 0x01)).toBe(ALLOW);
    expect(run(n.mmap, 0, 4096, 3, 0x21)).toBe(EPERM);
  });

  it('leaves signals in only where Landlock scopes them', () => {
    for (const number of [n.kill, n.tgkill, n.tkill]) {
      expect(run(number)).toBe(ALLOW);
      const unscoped = { architecture: ARCHITECTURES[architecture], number };
      expect(interpretBpf(compile([], false), unscoped)).toBe(EPERM);
    }
  });

  it('opens only the families that another profile names', () => {
    const unix = compile([1], false);
    const verdict = (number: number, ...words: number[]) =>
      interpretBpf(unix, { architecture: ARCHITECTURES[architecture], number, words });
    expect(verdict(n.socket, 1, 1, 0)).toBe(ALLOW);
    expect(verdict(n.bind)).toBe(ALLOW);
    for (const family of [2, 10, 16, 17, 40]) expect(verdict(n.socket, family, 1, 0)).toBe(EAFNOSUPPORT);
  });
});
