// The launcher: confines the process that runs it, then becomes the program.

/** What the launcher is told, as JSON on file descriptor 4 or in the file that its first argument names. */
export interface LaunchOrder {
  /** Absolute path of koffi's native module. */
  readonly koffi: string;
  readonly syscalls: {
    readonly bind: number;
    readonly close_range: number;
    readonly dup3: number;
    readonly fcntl: number;
    readonly getppid: number;
    readonly landlock_add_rule: number;
    readonly landlock_create_ruleset: number;
    readonly landlock_restrict_self: number;
    readonly listen: number;
    readonly memfd_create: number;
    readonly prctl: number;
    readonly prlimit64: number;
    readonly seccomp: number;
    readonly socket: number;
    readonly umask: number;
  };
  /** The process with which it ends; null where the container's end is its own. */
  readonly parent: number | null;
  /** A path to bind: the listening socket is then descriptor 3 of the program, in place of an inherited one. */
  readonly listen: string | null;
  /** Octets (base64) that the program finds in memory files of these descriptors: bubblewrap's options and filter. */
  readonly files: readonly { readonly descriptor: number; readonly octets: string }[];
  /** Whether descriptor 4 stays open for the program: bubblewrap tells there what it made. */
  readonly keepLine: boolean;
  readonly limits: readonly (readonly [resource: number, value: number])[];
  readonly landlock: {
    readonly handled: {
      readonly size: number;
      readonly filesystem: number;
      readonly network: number;
      readonly scoped: number;
    };
    readonly rules: readonly { readonly path: string; readonly rights: number }[];
  } | null;
  /** base64 of the BPF program. */
  readonly seccomp: string | null;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * What the launcher says on file descriptor 4 once it is confined and about to become the program. The descriptor closes with
 * execve, so that this word alone is success.
 */
export const LAUNCH_READY = 'ready';

/** The step at which a launch ended, said as `step:errno`, after {@link LAUNCH_READY} where it was the last one. */
export type LaunchStep =
  | 'koffi'
  | 'parent'
  | 'landlock'
  | 'rule'
  | 'limit'
  | 'seccomp'
  | 'descriptor'
  | 'listen'
  | 'execve';

interface Koffi {
  load(path: null): { func(definition: string): (...values: unknown[]) => number };
  address(value: Uint8Array): bigint;
  errno(): number;
}

/**
 * Runs inside the child only: its own text is the program that `node -e` gets, so it uses nothing from outside itself. That
 * saves the loader's 50 ms for a TypeScript file, and needs no readable file in the sandbox.
 *
 * Landlock and seccomp hold for the calling thread; `execve` ends all others, so that the program starts with nothing but
 * restricted threads. koffi is loaded before anything is taken away.
 */
export function launch(): void {
  const fs = process.getBuiltinModule('node:fs');
  const place = process.argv[1];
  const LINE = place === undefined ? 4 : 2;
  const order = JSON.parse(fs.readFileSync(place ?? LINE, 'utf8')) as LaunchOrder;
  let koffi: Koffi | undefined;

  const fail = (step: LaunchStep): never => {
    fs.writeSync(LINE, `${step}:${koffi?.errno() ?? 0}`);
    process.exit(1);
  };
  const native = { exports: {} as Koffi };
  try {
    process.dlopen(native, order.koffi);
  } catch {
    fail('koffi');
  }
  koffi = native.exports;
  const address = koffi.address;
  const libc = koffi.load(null);
  const call = libc.func('long syscall(long n, intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e)');
  const execve = libc.func('int execve(const char *path, const void *argv, const void *envp)');
  const must = (step: LaunchStep, number: number, ...values: (number | bigint)[]): number => {
    const [a = 0, b = 0, c = 0, d = 0, e = 0] = values;
    const result = call(number, a, b, c, d, e);
    return result < 0 ? fail(step) : result;
  };
  const openPlace = (path: string): number => {
    try {
      // O_PATH
      return fs.openSync(path, 0o10000000);
    } catch {
      return fail('rule');
    }
  };
  const n = order.syscalls;

  // PR_SET_PDEATHSIG = 1, SIGKILL = 9. A parent that ended before this line is noticed by the changed parent id.
  if (order.parent !== null) {
    must('parent', n.prctl, 1, 9);
    if (call(n.getppid, 0, 0, 0, 0, 0) !== order.parent) fail('parent');
  }
  call(n.umask, 0o077, 0, 0, 0, 0);
  // PR_SET_NO_NEW_PRIVS = 38
  must('landlock', n.prctl, 38, 1);

  try {
    // short of memory, the kernel ends the engine before the adapter
    fs.writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // no /proc: a matter of order, not of confinement
  }
  // before the limit on file sizes, which holds for memory files too
  const files = order.files.map(({ descriptor, octets }) => {
    const name = new TextEncoder().encode('\0');
    const file = must('descriptor', n.memfd_create, address(name), 0);
    fs.writeSync(file, Buffer.from(octets, 'base64'), 0, null, 0);
    return { descriptor, file };
  });
  let listening = 3;
  if (order.listen !== null) {
    // struct sockaddr_un; AF_UNIX = 1, SOCK_STREAM = 1
    const path = new TextEncoder().encode(`${order.listen}\0`);
    const name = new Uint8Array(2 + path.length);
    name[0] = 1;
    name.set(path, 2);
    listening = must('listen', n.socket, 1, 1, 0);
    must('listen', n.bind, listening, address(name), name.length);
    must('listen', n.listen, listening, 511);
  }
  // struct rlimit64: current, maximum
  for (const [resource, value] of order.limits) {
    const limit = new BigUint64Array([BigInt(value), BigInt(value)]);
    must('limit', n.prlimit64, 0, resource, address(new Uint8Array(limit.buffer)), 0);
  }

  if (order.landlock !== null) {
    const { handled, rules } = order.landlock;
    // struct landlock_ruleset_attr: filesystem, network, scoped
    const attributes = new BigUint64Array(
      [handled.filesystem, handled.network, handled.scoped].map((mask) => BigInt(mask)),
    );
    const ruleset = must(
      'landlock',
      n.landlock_create_ruleset,
      address(new Uint8Array(attributes.buffer)),
      handled.size,
    );
    for (const rule of rules) {
      const place = openPlace(rule.path);
      // struct landlock_path_beneath_attr (packed): rights u64, descriptor s32; LANDLOCK_RULE_PATH_BENEATH = 1
      const beneath = new DataView(new ArrayBuffer(12));
      beneath.setBigUint64(0, BigInt(rule.rights & handled.filesystem), true);
      beneath.setInt32(8, place, true);
      must('rule', n.landlock_add_rule, ruleset, 1, address(new Uint8Array(beneath.buffer)), 0);
      fs.closeSync(place);
    }
    must('landlock', n.landlock_restrict_self, ruleset, 0);
  }

  // Everything that execve needs lies ready before the filter, which must see as little of Node as possible.
  const octetsInUse: Uint8Array[] = [];
  const pointers = (texts: readonly string[]): BigUint64Array => {
    const list = new BigUint64Array(texts.length + 1);
    texts.forEach((text, index) => {
      const octets = new TextEncoder().encode(`${text}\0`);
      octetsInUse.push(octets);
      list[index] = address(octets);
    });
    return list;
  };
  const argv = pointers(order.argv);
  const envp = pointers(Object.entries(order.env).map(([name, value]) => `${name}=${value}`));

  // Node marks every inherited descriptor close-on-exec: 0-2 and the listening socket stay, all above go
  // (CLOSE_RANGE_CLOEXEC = 4). F_SETFD = 2.
  if (listening !== 3) must('descriptor', n.dup3, listening, 3, 0);
  for (const { descriptor, file } of files)
    if (file !== descriptor) must('descriptor', n.dup3, file, descriptor, 0);
  if (call(n.close_range, 4, 0xffffffff, 4, 0, 0) < 0)
    // a kernel without the flag (gVisor): the limit on open files is below 4096
    for (let descriptor = 4; descriptor < 4096; descriptor++) call(n.fcntl, descriptor, 2, 1, 0, 0);
  const kept = [0, 1, 2, 3, ...files.map(({ descriptor }) => descriptor), ...(order.keepLine ? [LINE] : [])];
  for (const descriptor of kept) must('descriptor', n.fcntl, descriptor, 2, 0);

  // LAUNCH_READY, spelt out: nothing from outside this function exists in the child
  fs.writeSync(LINE, 'ready');
  if (order.seccomp !== null) {
    // struct sock_fprog: length u16, padding, pointer; SECCOMP_SET_MODE_FILTER = 1
    const program = new Uint8Array(Buffer.from(order.seccomp, 'base64'));
    const header = new DataView(new ArrayBuffer(16));
    header.setUint16(0, program.length / 8, true);
    header.setBigUint64(8, address(program), true);
    octetsInUse.push(program);
    must('seccomp', n.seccomp, 1, 0, address(new Uint8Array(header.buffer)));
  }
  execve(order.argv[0], argv, envp);
  fail('execve');
}
