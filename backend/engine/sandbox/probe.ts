// The probe: runs inside the profile and tries every way out.

import type { SyscallNumbers } from './native-calls.ts';
import type { Guarantee, ProbeResult } from './sandboxed-engine.ts';

/** What the host made for this run, for the probe to try to reach. */
export interface Canaries {
  /** Hex, unique to the run. */
  readonly nonce: string;
  /** A world-writable folder with the files below in it. */
  readonly folder: string;
  /** A world-writable file that holds the nonce. */
  readonly file: string;
  /** An executable. */
  readonly program: string;
  /** Listening sockets: paths, an abstract name, ports on loopback (0: the machine has no such family). */
  readonly streamSocket: string;
  readonly datagramSocket: string;
  readonly abstractSocket: string;
  readonly tcpPort: number;
  readonly tcp6Port: number;
  readonly udpPort: number;
  /** The machine's name server. */
  readonly nameServer: string;
  /** A process of the sandbox's own user, with the nonce in its environment. */
  readonly process: number;
  readonly adapter: number;
  /** A SysV segment that anyone may attach; -1 where none could be made. */
  readonly segment: number;
  /** Release and boot id of the host's kernel. */
  readonly kernel: string;
  readonly bootId: string;
}

/** What the probe is told, as JSON on its standard input. */
export interface ProbeOrder {
  readonly koffi: string;
  readonly architecture: 'x64' | 'arm64';
  readonly syscalls: SyscallNumbers;
  readonly canaries: Canaries;
  /** Names of the environment that the program was given. */
  readonly environment: readonly string[];
  /** What the host made sure that the sandbox has to itself. */
  readonly own: ProbeOwn;
}

/** What the sandbox has to itself; see OwnWorld, which the host fills in. */
export interface ProbeOwn {
  readonly rootNames: readonly string[];
  readonly network: boolean;
  readonly processes: boolean;
  readonly kernel: boolean;
}

/** What the probe answers, as JSON on its standard output. */
export interface ProbeAnswer {
  readonly nonce: string;
  readonly results: readonly ProbeResult[];
}

/** A value for a system call: octets go by address. */
export type Word = number | bigint | Uint8Array;

/** What every group of attempts works with. */
export interface ProbeTools {
  readonly n: SyscallNumbers;
  readonly architecture: 'x64' | 'arm64';
  readonly canary: Canaries;
  readonly environment: readonly string[];
  /** A file that the sandbox declares readable, that the adapter's user may own, and that nobody executes. */
  readonly declared: string;
  readonly own: ProbeOwn;
  /** A raw system call; a negative result is the negated errno. */
  call(number: number, ...words: readonly Word[]): number;
  /** A zero-terminated string. */
  text(value: string): Uint8Array;
  /** Opens a path; a negative result is the negated errno. */
  open(path: string, flags: number): number;
  /** Opens and closes: `open` or the errno name. */
  tryOpen(path: string, flags: number): string;
  /** Opens, reads a little and closes: `open`, `unreadable` where it opened but gave nothing, or the errno name. */
  tryRead(path: string): string;
  /** `private` for anything but a refusal where the sandbox has the thing to itself, by the host's word. */
  ifOwn(owned: boolean, verdict: string): string;
  /** `open` for a result of 0 or more, otherwise the errno name. */
  verdict(result: number): string;
  close(descriptor: number): void;
  /** `sockaddr` of a loopback or numbered IPv4 address, of ::1, and of a Unix path (a leading zero: abstract). */
  addressIPv4(address: string, port: number): Uint8Array;
  addressIPv6(port: number): Uint8Array;
  addressUnix(path: string): Uint8Array;
}

/** One attempt: the guarantee it would break, and what to do. `run` answers `open`, a known word or an errno name. */
export interface Attempt {
  readonly id: string;
  readonly breaks: Guarantee;
  run(): string;
}

/** A group of attempts. Its text runs in the sandbox, so it uses nothing from outside itself. */
export type AttemptGroup = (tools: ProbeTools) => readonly Attempt[];

/** The program text that `node -e` gets. */
export function composeProbe(groups: readonly AttemptGroup[]): string {
  return `(${probe.toString()})([${groups.map((group) => group.toString()).join(',')}])`;
}

/** Runs inside the sandbox only; self-contained like the launcher. */
export function probe(groups: readonly AttemptGroup[]): void {
  interface Koffi {
    load(path: null): { func(definition: string): (...values: unknown[]) => number };
    address(value: Uint8Array): bigint;
    errno(): number;
  }
  const fs = process.getBuiltinModule('node:fs');
  const os = process.getBuiltinModule('node:os');
  const order = JSON.parse(fs.readFileSync(0, 'utf8')) as ProbeOrder;
  const native = { exports: {} as Koffi };
  process.dlopen(native, order.koffi);
  const koffi = native.exports;
  const raw = koffi
    .load(null)
    .func('long syscall(long n, intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e, intptr_t f)');
  const names = new Map(Object.entries(os.constants.errno).map(([name, number]) => [number, name]));
  const n = order.syscalls;
  const AT_FDCWD = -100;

  const call = (number: number, ...words: readonly Word[]): number => {
    const values = words.map((word) => (word instanceof Uint8Array ? koffi.address(word) : word));
    while (values.length < 6) values.push(0);
    const result = raw(number, ...values);
    return result < 0 ? -koffi.errno() : result;
  };
  const text = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`);
  const verdict = (result: number): string => {
    if (result >= 0) return 'open';
    // what is not there cannot be reached
    const { ENOENT, ESRCH } = os.constants.errno;
    if (-result === ENOENT || -result === ESRCH) return 'absent';
    return names.get(-result) ?? 'unsupported';
  };
  const open = (path: string, flags: number): number => call(n.openat, AT_FDCWD, text(path), flags, 0o600);
  const close = (descriptor: number): void => {
    if (descriptor >= 0) call(n.close, descriptor);
  };
  // The answers of a kernel that refuses. Anything else (a connection refused, a bad address) means that the attempt got
  // through to somewhere, and counts as open.
  const refusals = new Set([
    'EPERM',
    'EACCES',
    'ENOSYS',
    'EAFNOSUPPORT',
    'EROFS',
    'absent',
    'full',
    'private',
    'unsupported',
  ]);
  // The host says that the kernel is not its own; the probe makes sure that it does not look like the host's either.
  let bootId = '';
  try {
    bootId = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    // none to compare
  }
  const otherKernel =
    order.own.kernel && os.release() !== order.canaries.kernel && bootId !== order.canaries.bootId;
  const tools: ProbeTools = {
    n,
    architecture: order.architecture,
    canary: order.canaries,
    environment: order.environment,
    declared: order.koffi,
    own: { ...order.own, kernel: otherKernel },
    ifOwn: (owned, found) => (owned && !refusals.has(found) ? 'private' : found),
    call,
    text,
    open,
    close,
    verdict,
    tryOpen(path, flags) {
      const descriptor = open(path, flags);
      close(descriptor);
      return verdict(descriptor);
    },
    tryRead(path) {
      const descriptor = open(path, 0);
      if (descriptor < 0) return verdict(descriptor);
      const got = call(n.read, descriptor, new Uint8Array(64), 64);
      close(descriptor);
      // a folder that opened can be listed; an empty or refusing file gave nothing, though it should not have opened
      return got < 0 ? verdict(got) : 'open';
    },
    addressIPv4(address, port) {
      const octets = new Uint8Array(16);
      const view = new DataView(octets.buffer);
      view.setUint16(0, 2, true);
      view.setUint16(2, port);
      octets.set(address.split('.').map(Number), 4);
      return octets;
    },
    addressIPv6(port) {
      const octets = new Uint8Array(28);
      const view = new DataView(octets.buffer);
      view.setUint16(0, 10, true);
      view.setUint16(2, port);
      octets[23] = 1;
      return octets;
    },
    addressUnix(path) {
      const name = new TextEncoder().encode(path);
      // an abstract name ends where the address ends; a path ends with a zero
      const octets = new Uint8Array(2 + name.length + (path.startsWith('\0') ? 0 : 1));
      octets[0] = 1;
      octets.set(name, 2);
      return octets;
    },
  };

  const results: ProbeResult[] = [];
  for (const group of groups)
    for (const attempt of group(tools)) {
      let detail: string;
      try {
        detail = attempt.run();
      } catch (error) {
        detail = (error as { readonly code?: string }).code ?? 'unreadable';
      }
      results.push({ id: attempt.id, breaks: attempt.breaks, blocked: refusals.has(detail), detail });
    }
  const answer: ProbeAnswer = { nonce: order.canaries.nonce, results };
  const octets = new TextEncoder().encode(JSON.stringify(answer));
  for (let sent = 0; sent < octets.length; ) sent += fs.writeSync(1, octets, sent);
  // straight to the kernel: koffi flushes descriptors as the process ends, and does not take the filter's no for an answer
  call(n.exit_group, 0);
}
