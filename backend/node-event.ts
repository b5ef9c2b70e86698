// What the node's operator may read: a closed set of events whose fields are numbers and known words. No text passes.

import type { ManifestErrorCode } from '../shared/manifest/manifest-error.ts';
import type { VerificationCode } from '../shared/verifier/verification-error.ts';
import type { PublicErrorCode } from '../shared/wire/public-error.ts';

/** Why a node does not run under a manifest that can be read. */
export type ManifestRefusal =
  | 'manifest_signatures'
  | 'manifest_expired'
  | 'manifest_deployment'
  | 'manifest_succession'
  | 'manifest_needs_restart';

/** Every event that the node can log, those of its engines apart (engine/supervisor). A prompt does not fit any of these types. */
export type NodeEvent =
  | { readonly event: 'request_refused'; readonly code: PublicErrorCode; readonly sealed: boolean }
  | {
      readonly event: 'request_answered';
      readonly status: number;
      readonly outcome: 'complete' | 'client_gone' | 'engine_failed';
      readonly milliseconds: number;
      /** Sealed octets out, rounded up to a power of two. */
      readonly sealedOctets: number;
    }
  | { readonly event: 'registered'; readonly secondsLeft: number }
  | { readonly event: 'registration_failed'; readonly status: number; readonly attempt: number }
  | { readonly event: 'appraisal_refused'; readonly code: VerificationCode | 'node_revoked' }
  | { readonly event: 'manifest_in_force'; readonly serial: number }
  | {
      readonly event: 'manifest_refused';
      readonly code: ManifestErrorCode | ManifestRefusal | 'manifest_unreadable';
    }
  | { readonly event: 'epoch_started'; readonly lifeSeconds: number }
  | { readonly event: 'epoch_erased'; readonly requests: number };

export type LogEvent = (event: NodeEvent) => void;

/** Rounds a count up to a power of two, so that a log line tells a class of size and no size. */
export function roundUpToPowerOfTwo(count: number): number {
  return count <= 1 ? count : 2 ** Math.ceil(Math.log2(count));
}
