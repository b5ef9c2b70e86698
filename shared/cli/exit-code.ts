// The exit codes of every command.

import { ManifestError } from '../manifest/manifest-error.ts';
import { PolicyError } from '../verifier/policy.ts';
import { isCollateralCode, isPolicyCode, VerificationError } from '../verifier/verification-error.ts';
import { WeightsError, type WeightsErrorCode } from '../weights/weights-error.ts';
import { PublicationRefused } from './manifest/manifest-folder.ts';

export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  collateralUnavailable: 3,
  verificationFailed: 4,
  policyRefused: 5,
} as const;

/** Refusals that say the file is not the authentic whole; the others are of its reading or writing. */
const FORGED: ReadonlySet<WeightsErrorCode> = new Set<WeightsErrorCode>([
  'weights_header_malformed',
  'weights_key_wrong',
  'weights_truncated',
  'weights_trailing_octets',
  'weights_chunk_forged',
  'weights_digest_mismatch',
]);

/** A manifest that is genuine, and not what its owners and its chain allow. */
export class ManifestRefused extends Error {
  override readonly name = 'ManifestRefused';
  readonly code = 'manifest_refused';
}

/** The command line is not what the usage says. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The exit code that an error stands for. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError || error instanceof PolicyError) return EXIT.usage;
  if (error instanceof VerificationError) {
    // Nothing was found wrong with the node: what would tell is missing or too old.
    if (error.violations.every(({ code }) => isCollateralCode(code))) return EXIT.collateralUnavailable;
    return isPolicyCode(error.code) ? EXIT.policyRefused : EXIT.verificationFailed;
  }
  if (error instanceof ManifestError) return EXIT.verificationFailed;
  if (error instanceof PublicationRefused || error instanceof ManifestRefused) return EXIT.policyRefused;
  if (error instanceof WeightsError) {
    if (error.code === 'weights_key_malformed') return EXIT.usage;
    if (FORGED.has(error.code)) return EXIT.verificationFailed;
  }
  return EXIT.error;
}
