// The system calls that an engine may make.

import type { SyscallName, SyscallRule } from './compile-seccomp.ts';
import type { ProfileKind } from './sandboxed-engine.ts';

/** Choices that depend on the channel and on what else confines the program. */
export interface SeccompChoices {
  /** Address families that `socket` may take. Empty for the `fd` channel: the program then has neither bind nor connect. */
  readonly families: readonly number[];
  /** Whether kill, tkill and tgkill are left in: only where Landlock keeps signals inside the sandbox (ABI 6). */
  readonly signals: boolean;
  /** What CUDA's library needs besides: memory files, NUMA placement, shared anonymous memory, ioctl of its devices. */
  readonly cuda?: boolean;
}

/** Address families of the profile kinds (socket.h): none; UNIX; UNIX, INET, INET6 and NETLINK. Never VSOCK. */
export const KIND_FAMILIES: Readonly<Record<ProfileKind, readonly number[]>> = {
  fd: [],
  uds: [1],
  cuda: [1, 2, 10, 16],
};

const ENOSYS = 38;
const EAFNOSUPPORT = 97;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_TYPE_MASK = 0xf;

// sched.h: NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET; and CLONE_PARENT, which would make the child the adapter's
const CLONE_REFUSED = 0x7e020000 | 0x00008000;
// mman.h: memory shared with no file behind it escapes RLIMIT_DATA
const MAP_SHARED = 0x01;
const MAP_ANONYMOUS = 0x20;
// fcntl.h: DUPFD, GETFD, SETFD, GETFL, SETFL, DUPFD_CLOEXEC. Not F_SETOWN (signals), not locks (a host file would carry them).
const FCNTL_COMMANDS = [0, 1, 2, 3, 4, 1030];
// ioctls.h: TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX. So neither TIOCSTI nor TIOCLINUX nor any device's own.
const IOCTL_COMMANDS = [0x5401, 0x5413, 0x541b, 0x5421, 0x5450, 0x5451];
// ioctls.h: TIOCSTI, TIOCLINUX, the two by which text reaches a terminal as if typed
const TERMINAL_WRITERS = [0x5412, 0x541c];
// prctl.h: SET_NAME, GET_NAME, GET_DUMPABLE, CAPBSET_READ, GET_NO_NEW_PRIVS, SET_VMA. Not SET_PDEATHSIG: it would outlive its parent.
const PRCTL_OPTIONS = [15, 16, 3, 23, 39, 0x53564d41];

const PLAIN: readonly SyscallName[] = [
  // memory
  ...(['brk', 'madvise', 'membarrier', 'mprotect', 'mremap', 'munmap', 'pkey_alloc'] as const),
  ...(['pkey_free', 'pkey_mprotect'] as const),
  // threads and time
  ...(['arch_prctl', 'clock_getres', 'clock_gettime', 'clock_nanosleep', 'futex'] as const),
  ...(['get_robust_list', 'gettimeofday', 'nanosleep', 'rseq', 'sched_get_priority_max'] as const),
  ...(['sched_get_priority_min', 'sched_getaffinity', 'sched_getparam', 'sched_getscheduler'] as const),
  ...(['sched_yield', 'set_robust_list', 'set_tid_address', 'time'] as const),
  // its own processes; no new session or group, so that one signal reaches all of them
  ...(['execve', 'exit', 'exit_group', 'fork', 'vfork', 'wait4', 'waitid', 'capget', 'getegid'] as const),
  ...(['geteuid', 'getgid', 'getgroups', 'getpgrp', 'getpid', 'getppid', 'getresgid'] as const),
  ...(['getresuid', 'getrusage', 'gettid', 'getuid', 'getrlimit', 'umask', 'uname', 'sysinfo'] as const),
  ...(['getrandom', 'restart_syscall', 'rt_sigaction', 'rt_sigpending', 'rt_sigprocmask'] as const),
  ...(['rt_sigreturn', 'rt_sigsuspend', 'rt_sigtimedwait', 'sigaltstack'] as const),
  // files: opening is Landlock's business; nothing here changes a name or metadata
  ...(['access', 'close', 'close_range', 'dup', 'dup2', 'dup3', 'faccessat', 'faccessat2'] as const),
  ...(['fadvise64', 'fstat', 'getcwd', 'getdents64', 'lseek', 'lstat', 'newfstatat', 'open'] as const),
  ...(['openat', 'pread64', 'preadv', 'pwrite64', 'read', 'readlink', 'readlinkat', 'readv'] as const),
  ...(['stat', 'statx', 'write', 'writev'] as const),
  // waiting
  ...(['epoll_create1', 'epoll_ctl', 'epoll_pwait', 'epoll_pwait2', 'epoll_wait', 'eventfd2'] as const),
  ...(['pipe', 'pipe2', 'poll', 'ppoll', 'pselect6', 'select'] as const),
  // the inherited listening socket and what it accepts
  ...(['accept', 'accept4', 'getpeername', 'getsockname', 'getsockopt', 'listen', 'recvfrom'] as const),
  ...(['recvmsg', 'sendmsg', 'shutdown'] as const),
];

/** The rules, in the order in which they are compiled. Everything not named gets EPERM. */
export function listSyscallRules(choices: SeccompChoices): SyscallRule[] {
  const rules: SyscallRule[] = PLAIN.map((name) => ({ name }));
  rules.push(
    // clone3 keeps its flags in memory, where a filter cannot look; libc then falls back to clone
    { name: 'clone3', refuse: true, errno: ENOSYS },
    { name: 'clone', checks: [{ argument: 0, mask: CLONE_REFUSED, anyOf: [0] }] },
    choices.cuda === true
      ? { name: 'mmap' }
      : {
          name: 'mmap',
          checks: [{ argument: 3, mask: MAP_SHARED | MAP_ANONYMOUS, anyOf: [0, MAP_SHARED, MAP_ANONYMOUS] }],
        },
    // stream pairs only: a datagram socket could name any socket file of the host as the receiver
    {
      name: 'socketpair',
      checks: [
        { argument: 0, anyOf: [AF_UNIX] },
        { argument: 1, mask: SOCK_TYPE_MASK, anyOf: [SOCK_STREAM] },
      ],
    },
    { name: 'sendto', checks: [{ argument: 4, isNull: true }] },
    { name: 'fcntl', checks: [{ argument: 1, anyOf: FCNTL_COMMANDS }] },
    choices.cuda === true
      ? { name: 'ioctl', checks: [{ argument: 1, noneOf: TERMINAL_WRITERS }] }
      : { name: 'ioctl', checks: [{ argument: 1, anyOf: IOCTL_COMMANDS }] },
    { name: 'prctl', checks: [{ argument: 0, anyOf: PRCTL_OPTIONS }] },
    // reading its own only: a lower core limit would open the way through a core_pattern that is a pipe, and the limits of
    // another process of the same user are a way to hurt it
    {
      name: 'prlimit64',
      checks: [
        { argument: 0, anyOf: [0] },
        { argument: 2, isNull: true },
      ],
    },
  );
  if (choices.families.length === 0) {
    rules.push({ name: 'socket', refuse: true, errno: EAFNOSUPPORT });
  } else {
    rules.push(
      { name: 'socket', checks: [{ argument: 0, anyOf: choices.families }], errno: EAFNOSUPPORT },
      ...(['bind', 'connect', 'setsockopt'] as const).map((name) => ({ name })),
    );
  }
  if (choices.cuda === true)
    rules.push(
      ...(['memfd_create', 'mbind', 'set_mempolicy', 'ftruncate'] as const).map((name) => ({ name })),
    );
  if (choices.signals) rules.push(...(['kill', 'tgkill', 'tkill'] as const).map((name) => ({ name })));
  return rules;
}
