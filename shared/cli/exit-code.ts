// The exit codes of every command.

import { PolicyError } from '../verifier/policy.ts';
import { isPolicyCode, VerificationError } from '../verifier/verification-error.ts';

export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  collateralUnavailable: 3,
  verificationFailed: 4,
  policyRefused: 5,
} as const;

/** The command line is not what the usage says. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The exit code that an error stands for. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError || error instanceof PolicyError) return EXIT.usage;
  if (error instanceof VerificationError)
    return isPolicyCode(error.code) ? EXIT.policyRefused : EXIT.verificationFailed;
  return EXIT.error;
}
