// The contract of every driver: what may be started, what the probe found, and what the caller then holds.

import type { Bytes } from '../../../shared/bytes/concat.ts';

/** Names that a caller may ask for. `auto` picks the strongest driver present and never ends in `none`. */
export type DriverName = 'auto' | 'landlock' | 'none';

/** A program to run, and all of the host that it may see. */
export interface SandboxedProgram {
  /** Command line; the first entry is an absolute path. */
  readonly argv: readonly string[];
  /** The whole environment of the program. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute host files or folders (with all below) that it may read and execute. */
  readonly readOnly: readonly string[];
  readonly limits: SandboxLimits;
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
  /** The errno name that the kernel gave, or a known word: `open`, `absent`, `unreadable`, `unsupported`. */
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
  readonly verdict: 'isolated' | 'not-isolated';
}

/** A started program. */
export interface SandboxedEngine {
  readonly driver: string;
  readonly probe: ProbeReport;
  /** SHA-256 over "cloister probe v1" ‖ 00 ‖ canonical JSON of the report: 32 octets. */
  readonly probeDigest: Bytes;
  /** Path of the Unix socket on which the program answers (its file descriptor 3 is the listening end). */
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
  /** Told how many octets of output were dropped; the text itself goes nowhere. */
  readonly onOutputDropped?: (stream: 'stdout' | 'stderr', octets: number) => void;
}
