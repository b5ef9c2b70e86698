// The one profile of a start: Landlock rules, seccomp octets and limits, and the digest that names them.

import { createHash } from 'node:crypto';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { canonicalJson } from './canonical-json.ts';
import { compileSeccomp, type SeccompArchitecture } from './compile-seccomp.ts';
import {
  handledByLandlock,
  type LandlockHandled,
  type LandlockRule,
  listSystemRules,
  readAndExecute,
} from './landlock-rules.ts';
import type { SandboxLimits } from './sandboxed-engine.ts';
import { listSyscallRules } from './seccomp-profile.ts';

/** What the launcher lays on the process before the program's first instruction. */
export interface Profile {
  readonly driver: 'landlock' | 'none';
  readonly landlockAbi: number;
  /** Absent under `none`. */
  readonly landlock?: { readonly handled: LandlockHandled; readonly rules: readonly LandlockRule[] };
  /** Absent under `none`. */
  readonly seccomp?: Bytes;
  /** Resource number (linux/resource.h of x64 and arm64) and value, soft and hard alike. */
  readonly limits: readonly (readonly [resource: number, value: number])[];
  /** Hex SHA-256; see {@link digestProfile}. */
  readonly digest: string;
}

/** What a profile is made from. */
export interface ProfileInput {
  readonly driver: 'landlock' | 'none';
  readonly landlockAbi: number;
  readonly architecture: SeccompArchitecture;
  /** Where the declared files lie for the sandbox (staged or not), in the order of the declaration. */
  readonly readOnly: readonly string[];
  readonly limits: SandboxLimits;
  /** Whether the sandbox's user is its own, so that a limit on its processes is a limit on the sandbox. */
  readonly ownUser: boolean;
  /** Address families left open: none for the inherited listening socket. */
  readonly families?: readonly number[];
}

const RLIMIT = { fileSize: 1, data: 2, core: 4, processes: 6, openFiles: 7 } as const;
// Not 0: that keeps the kernel from writing a file, but not from feeding a core_pattern that is a pipe, which copies the memory
// to a program of the host. 1 is the value at which the kernel does neither (fs/coredump.c; tried both ways).
const NO_CORE = 1;
/** Signals stay inside the sandbox from this ABI on. */
const ABI_WITH_SIGNAL_SCOPE = 6;

/** Builds the profile. `none` keeps only the limits. */
export function buildProfile(input: ProfileInput): Profile {
  const limits: [number, number][] = [
    [RLIMIT.core, NO_CORE],
    [RLIMIT.data, input.limits.memoryBytes],
    [RLIMIT.openFiles, input.limits.openFiles],
  ];
  if (input.ownUser) limits.push([RLIMIT.processes, input.limits.processes]);
  if (input.driver === 'none')
    return {
      driver: 'none',
      landlockAbi: 0,
      limits,
      digest: digestProfile('none', 0, [], [], undefined, limits),
    };
  limits.push([RLIMIT.fileSize, 0]);
  const seccomp = compileSeccomp(
    listSyscallRules({
      families: input.families ?? [],
      signals: input.landlockAbi >= ABI_WITH_SIGNAL_SCOPE,
    }),
    input.architecture,
  );
  const handled = handledByLandlock(input.landlockAbi);
  const system = listSystemRules(input.architecture);
  const declared = input.readOnly.map(readAndExecute);
  return {
    driver: 'landlock',
    landlockAbi: input.landlockAbi,
    landlock: { handled, rules: [...system, ...declared] },
    seccomp,
    limits,
    digest: digestProfile('landlock', input.landlockAbi, system, declared, seccomp, limits),
  };
}

// Declared places count by number and rights: their paths differ from machine to machine and from start to start, and what
// lies there is measured elsewhere (engine and weight digests).
function digestProfile(
  driver: string,
  abi: number,
  system: readonly LandlockRule[],
  declared: readonly LandlockRule[],
  seccomp: Bytes | undefined,
  limits: readonly (readonly [number, number])[],
): string {
  const canonical = canonicalJson({
    declared: declared.map((rule) => rule.rights),
    driver,
    handled: driver === 'landlock' ? { ...handledByLandlock(abi) } : null,
    limits,
    seccomp: seccomp === undefined ? null : toBase64url(seccomp),
    system: system.map((rule) => [rule.path, rule.rights]),
  });
  return createHash('sha256').update(canonical).digest('hex');
}
