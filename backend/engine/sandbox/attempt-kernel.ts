// Attempts on other processes, on what the kernel keeps for all of them, and on what it tells about the machine.

import type { Attempt, ProbeTools } from './probe.ts';

/** Signals, tracing, memory and limits of a process of the same user, and ways to outlive the adapter. */
export function attemptHostProcesses(t: ProbeTools): readonly Attempt[] {
  const { n, canary } = t;
  const attempt = (id: string, run: () => string): Attempt => ({ id, breaks: 'host-processes', run });
  const of = (pid: number, name: string) => `/proc/${pid}/${name}`;
  return [
    attempt('signal-process', () => t.verdict(t.call(n.kill, canary.process, 0))),
    attempt('signal-adapter', () => t.verdict(t.call(n.kill, canary.adapter, 0))),
    attempt('signal-init', () => t.verdict(t.call(n.kill, 1, 0))),
    attempt('signal-thread', () => t.verdict(t.call(n.tgkill, canary.process, canary.process, 0))),
    attempt('signal-thread-alone', () => t.verdict(t.call(n.tkill, canary.process, 0))),
    attempt('signal-queued', () => {
      // siginfo_t with si_code SI_QUEUE (-1); signal 0 only asks
      const info = new Uint8Array(128);
      new DataView(info.buffer).setInt32(8, -1, true);
      return t.verdict(t.call(n.rt_sigqueueinfo, canary.process, 0, info));
    }),
    attempt('signal-by-descriptor-owner', () => t.verdict(t.call(n.fcntl, 0, 8, canary.process))),
    attempt('process-descriptor', () => {
      const descriptor = t.call(n.pidfd_open, canary.process, 0);
      t.close(descriptor);
      return t.verdict(descriptor);
    }),
    attempt('process-descriptor-adapter', () => {
      const descriptor = t.call(n.pidfd_open, canary.adapter, 0);
      t.close(descriptor);
      return t.verdict(descriptor);
    }),
    // PTRACE_SEIZE; the tracer's end lets the process go
    attempt('trace-process', () => t.verdict(t.call(n.ptrace, 0x4206, canary.process, 0, 0))),
    attempt('read-process-memory', () => {
      const local = new BigUint64Array([0n, 0n]);
      const remote = new BigUint64Array([4096n, 8n]);
      const words = [local, remote].map((vector) => new Uint8Array(vector.buffer));
      return t.verdict(t.call(n.process_vm_readv, canary.process, words[0] ?? 0, 1, words[1] ?? 0, 1, 0));
    }),
    attempt('read-process-environment', () => t.tryRead(of(canary.process, 'environ'))),
    attempt('read-process-commands', () => t.tryRead(of(canary.process, 'cmdline'))),
    attempt('open-process-memory', () => t.tryOpen(of(canary.process, 'mem'), 0)),
    attempt('open-process-descriptor', () => t.tryOpen(of(canary.process, 'fd/0'), 0)),
    attempt('enter-process-root', () => t.tryOpen(of(canary.process, 'root'), 0o200000)),
    attempt('read-adapter-environment', () => t.tryRead(of(canary.adapter, 'environ'))),
    attempt('read-adapter-memory', () => t.tryOpen(of(canary.adapter, 'mem'), 0)),
    attempt('read-init-environment', () =>
      t.ifOwn(t.own.processes || t.own.kernel, t.tryRead('/proc/1/environ')),
    ),
    attempt('list-processes', () => t.ifOwn(t.own.processes || t.own.kernel, t.tryOpen('/proc', 0o200000))),
    attempt('limit-process', () => {
      const now = new Uint8Array(16);
      return t.verdict(t.call(n.prlimit64, canary.process, 7, 0, now));
    }),
    attempt('renice-process', () => t.verdict(t.call(n.setpriority, 0, canary.process, 0))),
    attempt('move-process', () => {
      const mask = new Uint8Array(128).fill(0xff);
      return t.verdict(t.call(n.sched_setaffinity, canary.process, mask.length, mask));
    }),
    attempt('become-root', () => t.verdict(t.call(n.setresuid, 0, 0, 0))),
    attempt('leave-group', () => t.verdict(t.call(n.setpgid, 0, 0))),
    attempt('leave-session', () => t.verdict(t.call(n.setsid))),
    // PR_SET_PDEATHSIG to what it is already: allowed at all, it could be cleared
    attempt('outlive-adapter', () => t.verdict(t.call(n.prctl, 1, 9, 0, 0, 0))),
    attempt('terminal-input', () => t.verdict(t.call(n.ioctl, 0, 0x5412, t.text('x')))),
    attempt('open-terminal', () => t.ifOwn(t.own.kernel, t.tryOpen('/dev/ptmx', 0o2 | 0o400))),
  ];
}

/** Objects that the kernel keeps beyond a process, and kernel interfaces with a record of escapes. */
export function attemptKernelIpc(t: ProbeTools): readonly Attempt[] {
  const { n, canary } = t;
  const SESSION_KEYRING = -3;
  const attempt = (id: string, run: () => string): Attempt => ({ id, breaks: 'kernel-ipc', run });
  const opened = (descriptor: number): string => {
    t.close(descriptor);
    return t.verdict(descriptor);
  };
  // 0o1600: IPC_CREAT and 0600; IPC_RMID = 0
  const made = (id: number, control: number, ...words: readonly number[]): string => {
    if (id >= 0) t.call(control, id, ...words);
    return t.verdict(id);
  };
  const NAMESPACES = {
    user: 0x10000000,
    mount: 0x00020000,
    network: 0x40000000,
    ipc: 0x08000000,
    process: 0x20000000,
    name: 0x04000000,
  };
  const list: Attempt[] = [
    attempt('keyring-add', () => {
      const key = t.call(
        n.add_key,
        t.text('user'),
        t.text('cloister-probe'),
        t.text('x'),
        1,
        SESSION_KEYRING,
      );
      // KEYCTL_UNLINK = 9
      if (key >= 0) t.call(n.keyctl, 9, key, SESSION_KEYRING);
      return t.verdict(key);
    }),
    // KEYCTL_GET_KEYRING_ID = 0, without creating one
    attempt('keyring-find', () => t.verdict(t.call(n.keyctl, 0, SESSION_KEYRING, 0))),
    attempt('keyring-request', () => {
      const key = t.call(n.request_key, t.text('user'), t.text('cloister-probe'), 0, 0);
      return t.verdict(key);
    }),
    attempt('shared-memory-create', () => made(t.call(n.shmget, 0, 4096, 0o1600), n.shmctl, 0, 0)),
    attempt('shared-memory-attach', () => {
      const place = t.call(n.shmat, canary.segment, 0, 0);
      if (place >= 0) t.call(n.shmdt, place);
      return t.verdict(place);
    }),
    attempt('message-queue-create', () => made(t.call(n.msgget, 0, 0o1600), n.msgctl, 0, 0)),
    attempt('semaphore-create', () => made(t.call(n.semget, 0, 1, 0o1600), n.semctl, 0, 0, 0)),
    attempt('posix-queue', () => {
      const name = t.text('cloister-probe');
      const queue = t.call(n.mq_open, name, 0o102, 0o600, 0);
      if (queue >= 0) t.call(n.mq_unlink, name);
      return opened(queue);
    }),
    attempt('io-uring', () => opened(t.call(n.io_uring_setup, 4, new Uint8Array(120)))),
    attempt('aio', () => {
      const context = new Uint8Array(8);
      return t.verdict(t.call(n.io_setup, 1, context));
    }),
    // UFFD_USER_MODE_ONLY = 1
    attempt('userfaultfd', () => opened(t.call(n.userfaultfd, 1))),
    attempt('bpf', () => opened(t.call(n.bpf, 0, new Uint8Array(128), 128))),
    attempt('perf-event', () => {
      // struct perf_event_attr: software event (type 1), size at offset 4, exclude_kernel and exclude_hv
      const attributes = new Uint8Array(128);
      const view = new DataView(attributes.buffer);
      view.setUint32(0, 1, true);
      view.setUint32(4, 128, true);
      view.setUint32(40, 0b1100000, true);
      return opened(t.call(n.perf_event_open, attributes, 0, -1, -1, 0));
    }),
    attempt('memory-file', () => opened(t.call(n.memfd_create, t.text('x'), 0))),
    attempt('run-memory-file', () => {
      const descriptor = t.call(n.memfd_create, t.text('x'), 0);
      if (descriptor < 0) return t.verdict(descriptor);
      // an empty file: ENOEXEC says that it would have run
      const result = t.call(n.execveat, descriptor, t.text(''), 0, 0, 0x1000);
      t.close(descriptor);
      return t.verdict(result);
    }),
    attempt('inspect-filesystem-events', () => opened(t.call(n.fanotify_init, 0, 0))),
    attempt('nest-filter', () => t.verdict(t.call(n.seccomp, 2, 0, new Uint8Array([0, 0, 0, 0])))),
    attempt('personality', () => t.verdict(t.call(n.personality, 0xffffffff))),
    ...Object.entries(NAMESPACES).map(([name, flag]) =>
      attempt(`namespace-${name}`, () =>
        t.verdict(t.call(n.unshare, name === 'user' ? flag : NAMESPACES.user | flag)),
      ),
    ),
    attempt('namespace-by-clone', () => {
      // SIGCHLD = 17
      const child = t.call(n.clone, NAMESPACES.user | 17, 0, 0, 0, 0);
      if (child === 0) t.call(n.exit_group, 0);
      if (child > 0) t.call(n.wait4, child, 0, 0, 0);
      return t.verdict(child);
    }),
    attempt('namespace-by-clone3', () => {
      // struct clone_args: flags at 0, exit signal at 32
      const words = new BigUint64Array(11);
      words[0] = BigInt(NAMESPACES.user);
      words[4] = 17n;
      const child = t.call(n.clone3, new Uint8Array(words.buffer), 88);
      if (child === 0) t.call(n.exit_group, 0);
      if (child > 0) t.call(n.wait4, child, 0, 0, 0);
      return t.verdict(child);
    }),
    attempt('namespace-join', () => {
      const descriptor = t.open(`/proc/${canary.process}/ns/user`, 0);
      if (descriptor < 0) return t.verdict(descriptor);
      const result = t.call(n.setns, descriptor, 0);
      t.close(descriptor);
      return t.verdict(result);
    }),
    attempt('host-name', () => t.verdict(t.call(n.sethostname, t.text('x'), 1))),
    attempt('kernel-module', () => t.verdict(t.call(n.init_module, t.text(''), 0, t.text('')))),
  ];
  // the other call table of x86-64: __X32_SYSCALL_BIT with getpid
  if (t.architecture === 'x64')
    list.push(attempt('foreign-call-table', () => t.verdict(t.call(0x40000000 + n.getpid))));
  return list;
}

/** What tells one machine, boot or neighbour from another. */
export function attemptInformation(t: ProbeTools): readonly Attempt[] {
  const fs = process.getBuiltinModule('node:fs');
  const { n, canary } = t;
  const attempt = (id: string, run: () => string): Attempt => ({ id, breaks: 'information', run });
  const files = {
    'kernel-symbols': '/proc/kallsyms',
    'boot-id': '/proc/sys/kernel/random/boot_id',
    'machine-id': '/etc/machine-id',
    connections: '/proc/net/tcp',
    mounts: '/proc/self/mounts',
    'own-maps': '/proc/self/maps',
    'own-control-group': '/proc/self/cgroup',
    'kernel-command-line': '/proc/cmdline',
    'load-average': '/proc/loadavg',
    'memory-use': '/proc/meminfo',
    'product-name': '/sys/class/dmi/id/product_name',
  };
  return [
    ...Object.entries(files).map(([id, path]) =>
      attempt(`read-${id}`, () => {
        // what a kernel of its own makes up, and the connections of a network of its own
        const own = path.startsWith('/etc/')
          ? false
          : t.own.kernel || (t.own.network && id === 'connections');
        return t.ifOwn(own, t.tryRead(path));
      }),
    ),
    attempt('list-interfaces', () => t.ifOwn(t.own.kernel, t.tryOpen('/sys/class/net', 0o200000))),
    // SYSLOG_ACTION_SIZE_BUFFER = 10
    attempt('kernel-messages', () => t.verdict(t.call(n.syslog, 10, 0, 0))),
    attempt('watch-canary', () => {
      const descriptor = t.call(n.inotify_init1, 0);
      t.close(descriptor);
      return t.verdict(descriptor);
    }),
    attempt('environment', () =>
      Object.keys(process.env).some((name) => !t.environment.includes(name)) ? 'open' : 'absent',
    ),
    attempt('inherited-descriptors', () => {
      // Node's own are pipes, epoll and event descriptors; a file, folder or socket came from outside
      for (let descriptor = 4; descriptor < 256; descriptor++) {
        try {
          const stats = fs.fstatSync(descriptor);
          if (stats.isFile() || stats.isDirectory() || stats.isSocket()) return 'open';
        } catch {
          // not open
        }
      }
      return 'absent';
    }),
    attempt('process-links', () => {
      // only where the caller may inspect the process does the kernel resolve the link
      const length = t.call(
        n.readlinkat,
        -100,
        t.text(`/proc/${canary.process}/cwd`),
        new Uint8Array(256),
        256,
      );
      return t.verdict(length);
    }),
  ];
}
