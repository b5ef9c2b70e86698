// The one profile of a start, for every driver: what confines the program, and the digest that names it.

import { createHash } from 'node:crypto';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { type BubblewrapLine, composeBubblewrap } from './bubblewrap-line.ts';
import { type CanonicalValue, canonicalJson } from './canonical-json.ts';
import { checkDeviceNames } from './check-devices.ts';
import { compileSeccomp, type SeccompArchitecture } from './compile-seccomp.ts';
import type { DriverBinary } from './find-binary.ts';
import { describeContainer, type GvisorPlan, planGvisor } from './gvisor-bundle.ts';
import {
  handledByLandlock,
  type LandlockHandled,
  type LandlockRule,
  listSystemRules,
  readAndExecute,
} from './landlock-rules.ts';
import { SandboxError } from './sandbox-error.ts';
import type { Driver, ProfileKind, SandboxLimits } from './sandboxed-engine.ts';
import { KIND_FAMILIES, listSyscallRules } from './seccomp-profile.ts';
import { listSystemPlaces } from './system-places.ts';

/** What the launcher lays on the process before the program's first instruction. */
export interface Profile {
  readonly driver: Driver;
  readonly kind: ProfileKind;
  /** Attempts of the probe that may go through. */
  readonly concedes: readonly string[];
  /** 0 where the driver does not use Landlock. */
  readonly landlockAbi: number;
  readonly landlock?: { readonly handled: LandlockHandled; readonly rules: readonly LandlockRule[] };
  readonly bubblewrap?: BubblewrapLine;
  readonly gvisor?: GvisorPlan;
  /** Absent under `none`. */
  readonly seccomp?: Bytes;
  /** Resource number (linux/resource.h of x64 and arm64) and value, soft and hard alike. */
  readonly limits: readonly (readonly [resource: number, value: number])[];
  /** Hex SHA-256; see {@link digestProfile}. */
  readonly digest: string;
}

/** What a profile is made from. */
export interface ProfileInput {
  readonly driver: Driver;
  readonly landlockAbi: number;
  /** The driver's own program; for `bubblewrap` and `gvisor`. */
  readonly binary?: DriverBinary;
  /** `fd` when absent. */
  readonly kind?: ProfileKind;
  readonly devices?: readonly string[];
  readonly architecture: SeccompArchitecture;
  /** Where the declared files lie for the sandbox (staged or not), in the order of the declaration. */
  readonly readOnly: readonly string[];
  readonly limits: SandboxLimits;
  /** Whether the sandbox's user is its own, so that a limit on its processes is a limit on the sandbox. */
  readonly ownUser: boolean;
}

// What CUDA's library needs, and what comes with it: memory files and their growing, and a /proc, which tells about the host's
// kernel though not about its processes. Everything else stays blocked.
const CUDA_CONCEDES: readonly string[] = [
  ...['memory-file', 'truncate-program-descriptor', 'netlink-uevent', 'read-kernel-symbols', 'read-boot-id'],
  ...['read-mounts', 'read-own-maps', 'read-own-control-group', 'read-kernel-command-line'],
  ...['read-load-average', 'read-memory-use'],
];

const RLIMIT = { fileSize: 1, data: 2, core: 4, processes: 6, openFiles: 7 } as const;
// Not 0: that keeps the kernel from writing a file, but not from feeding a core_pattern that is a pipe, which copies the memory
// to a program of the host. 1 is the value at which the kernel does neither (fs/coredump.c; tried both ways).
const NO_CORE = 1;
/** Signals stay inside the sandbox from this ABI on. */
const ABI_WITH_SIGNAL_SCOPE = 6;

/**
 * Builds the profile. `none` keeps only the limits. `bubblewrap` and `gvisor` take `kill` away, as landlock does where it has no
 * scope for signals: in a process tree of its own an engine has nobody to signal but what ends with it anyway.
 * @throws SandboxError `sandbox_program_invalid` for a kind that the driver does not have, and for a device that no engine may have
 */
export function buildProfile(input: ProfileInput): Profile {
  const { driver, binary, landlockAbi, architecture, readOnly, kind = 'fd' } = input;
  const limits: [number, number][] = [
    [RLIMIT.core, NO_CORE],
    [RLIMIT.data, input.limits.memoryBytes],
    [RLIMIT.openFiles, input.limits.openFiles],
  ];
  if (input.ownUser) limits.push([RLIMIT.processes, input.limits.processes]);
  if (kind !== 'fd' && driver !== 'bubblewrap')
    throw new SandboxError('sandbox_program_invalid', `the profile ${kind} exists under bubblewrap alone`);
  checkDeviceNames(kind, input.devices ?? []);
  const concedes = kind === 'cuda' ? CUDA_CONCEDES : [];
  const base = { driver, kind, concedes, limits, landlockAbi: driver === 'landlock' ? landlockAbi : 0 };
  if (driver === 'none') return { ...base, digest: digestProfile({ ...base, handled: null, seccomp: null }) };
  // caches of CUDA's compiler are files
  if (kind !== 'cuda') limits.push([RLIMIT.fileSize, 0]);
  const seccomp = compileSeccomp(
    listSyscallRules({
      families: KIND_FAMILIES[kind],
      signals: driver === 'landlock' && landlockAbi >= ABI_WITH_SIGNAL_SCOPE,
      cuda: kind === 'cuda',
    }),
    architecture,
  );
  const common = { ...base, seccomp: toBase64url(seccomp) };
  if (driver === 'landlock') {
    const handled = handledByLandlock(landlockAbi);
    const system = listSystemRules(architecture);
    const declared = readOnly.map(readAndExecute);
    const digest = digestProfile({
      ...common,
      handled: { ...handled },
      // declared places count by number and rights, below as here: see digestProfile
      declared: declared.map(({ rights }) => rights),
      system: system.map((rule) => [rule.path, rule.rights]),
    });
    return { ...base, landlock: { handled, rules: [...system, ...declared] }, seccomp, digest };
  }
  if (binary === undefined)
    throw new SandboxError('sandbox_unavailable', `the program of ${driver} was not found`);
  const system = listSystemPlaces(architecture);
  const seen = {
    ...common,
    binary: binary.sha256,
    declared: readOnly.length,
    links: system.links.map(({ path, to }) => [path, to]),
    system: system.places.map(({ source, target }) => [source, target]),
  };
  if (driver === 'bubblewrap') {
    const bubblewrap = composeBubblewrap(binary.path, kind, system, readOnly, input.devices ?? []);
    const digest = digestProfile({ ...seen, options: [...bubblewrap.before, '', ...bubblewrap.after] });
    return { ...base, bubblewrap, seccomp, digest };
  }
  const gvisor = planGvisor(binary.path, system, readOnly);
  const bare = describeContainer({ ...gvisor, places: [] }, [], '');
  const digest = digestProfile({
    ...seen,
    options: gvisor.options,
    channel: gvisor.channel,
    container: JSON.stringify(bare),
  });
  return { ...base, gvisor, seccomp, digest };
}

// Declared places count by number (and rights): their paths differ from machine to machine and from start to start, and what
// lies there is measured elsewhere (engine and weight digests).
function digestProfile(profile: { readonly [member: string]: CanonicalValue }): string {
  return createHash('sha256').update(canonicalJson(profile)).digest('hex');
}
