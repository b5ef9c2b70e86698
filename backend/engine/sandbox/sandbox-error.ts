// The error of this room: a program that was not started, and why.

/**
 * Why a program was not started in a sandbox:
 * - `sandbox_unavailable`: this machine lacks what the driver needs; the message names it and the remedy.
 * - `sandbox_probe_failed`: an escape attempt went through, or the probe gave no answer of its own run; the message names the first.
 * - `sandbox_probe_changed`: the probe found something else than the report that the caller holds; the message names the first.
 * - `sandbox_program_invalid`: the description of the program, the run folder or the random source cannot be used.
 * - `sandbox_start_failed`: the confined process ended before it became the program.
 */
export type SandboxErrorCode =
  | 'sandbox_unavailable'
  | 'sandbox_probe_failed'
  | 'sandbox_probe_changed'
  | 'sandbox_program_invalid'
  | 'sandbox_start_failed';

/** A program that was not started. The message holds host paths of the caller's own making at most, never content. */
export class SandboxError extends Error {
  override readonly name = 'SandboxError';
  readonly code: SandboxErrorCode;
  constructor(code: SandboxErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
