// The contract of every driver: what may be started, what the probe found, and what the caller then holds.

import type { Bytes } from '../../../shared/bytes/concat.ts';

/** What can hold a program. `none` confines nothing. */
export type Driver = 'bubblewrap' | 'gvisor' | 'landlock' | 'none';

/** Names that a caller may ask for. `auto` is chosen by `chooseDriver` and never ends in `none`. */
export type DriverName = 'auto' | Driver;

/**
 * What a program needs open:
 * - `fd`: nothing but the listening socket that it inherits as descriptor 3. For engines of our own.
 * - `uds`: Unix sockets within its own namespaces, for foreign engines that bind a path. The socket is `PRIVATE_SOCKET`.
 * - `cuda`: `uds`, and loopback, NVIDIA devices, `/proc` of its own and memory files. Not run on hardware.
 * The latter two exist under `bubblewrap` alone.
 */
export type ProfileKind = 'fd' | 'uds' | 'cuda';

/** Where a program of the kinds `uds` and `cuda` must listen, as it sees the path: in memory that only its sandbox has. */
export const PRIVATE_SOCKET = '/run/engine/engine.sock';

/** A program to run, and all of the host that it may see. */
export interface SandboxedProgram {
  /** Command line; the first entry is an absolute path. */
  readonly argv: readonly string[];
  /** The whole environment of the program. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute host files or folders (with all below) that it may read and execute. */
  readonly readOnly: readonly string[];
  readonly limits: SandboxLimits;
  /** `fd` when absent. */
  readonly kind?: ProfileKind;
  /** Device files below /dev that it may open; kind `cuda` only. */
  readonly devices?: readonly string[];
}

/** Limits of one process (memory, files) and of the sandbox's user (processes). */
export interface SandboxLimits {
  /** Private writable memory of each process in octets (RLIMIT_DATA); mapped read-only files do not count. */
  readonly memoryBytes: number;
  /** Processes and threads (RLIMIT_NPROC); applied only where the sandbox has a user of its own. */
  readonly processes: number;
  /** Open file descriptors of each process (RLIMIT_NOFILE). */
  readonly openFiles: number;
}

/** The guarantee that an escape attempt would break. */
export type Guarantee =
  | 'network'
  | 'host-filesystem'
  | 'persistent-writes'
  | 'host-processes'
  | 'kernel-ipc'
  | 'evidence-devices'
  | 'information';

/** One escape attempt. */
export interface ProbeResult {
  readonly id: string;
  readonly breaks: Guarantee;
  readonly blocked: boolean;
  /**
   * The errno name that the kernel gave, or a known word: `open`, `absent`, `full`, `unreadable`, `unsupported`; and `private`: it
   * succeeded on something that the sandbox alone has and that ends with it, as the host made sure.
   */
  readonly detail: string;
}

/** What the probe saw from inside the very profile that the program then runs in. */
export interface ProbeReport {
  readonly driver: string;
  /** Kernel release. */
  readonly kernel: string;
  /** Landlock ABI in use; 0 where the driver uses none. */
  readonly landlockAbi: number;
  /** SHA-256 (hex) over the canonical profile: rules, seccomp octets and limits, without temporary paths. */
  readonly profileDigest: string;
  /** 32 octets (hex) of this run. A report without the nonce that the adapter drew counts as none. */
  readonly nonce: string;
  readonly results: readonly ProbeResult[];
  /** Attempts that the profile's kind leaves open, by name; absent where it leaves none (every kind but `cuda`). */
  readonly concedes?: readonly string[];
  /** `isolated` where every attempt was blocked but the conceded ones. */
  readonly verdict: 'isolated' | 'not-isolated';
}

/** A started program. */
export interface SandboxedEngine {
  readonly driver: string;
  readonly probe: ProbeReport;
  /** SHA-256 over "cloister probe v1" ‖ 00 ‖ canonical JSON of the report: 32 octets. */
  readonly probeDigest: Bytes;
  /**
   * Path of the Unix socket on which the program answers (its file descriptor 3 is the listening end, or the private socket).
   * Under `gvisor` and for the kinds `uds` and `cuda` it names a descriptor of this process, pinned to the socket itself, so
   * that no swap of a name inside redirects a prompt.
   */
  readonly socketPath: string;
  readonly pid: number;
  /** Settles when the program has ended, for whatever reason; never rejects. */
  readonly exited: Promise<EngineExit>;
  /** Ends the program and all of its children, and removes socket and staged files. May be called twice. */
  stop(): Promise<void>;
}

/** How the program ended. */
export interface EngineExit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** What the caller provides for one start. */
export interface SandboxOptions {
  /** A private folder (mode 0700) that the caller made for this one engine; the socket lives here. */
  readonly runFolder: string;
  /** Cryptographic randomness for nonces and canaries. */
  readonly random: (octets: number) => Uint8Array;
  /** What an earlier start of the same program found. Another finding now, the nonce apart, means no start. */
  readonly expectedProbe?: ProbeReport;
  /** Told how many octets of output were dropped; the text itself goes nowhere. */
  readonly onOutputDropped?: (stream: 'stdout' | 'stderr', octets: number) => void;
}
