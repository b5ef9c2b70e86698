// The chain of versions: which manifest may follow which, and a whole history checked from its first version to its last.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { isImmutable, type Manifest, manifestDigest, manifestExpiry, parseManifest } from './manifest.ts';
import { ManifestError } from './manifest-error.ts';
import { signersAmong, verifySignatures } from './manifest-signatures.ts';

/** A manifest as it is published. Exact octets, both. */
export interface SignedManifest {
  readonly manifest: Bytes;
  /** Absent where nobody signed. */
  readonly signatures?: Bytes | undefined;
}

/** A manifest that was read, and whose signatures, such as there are, all hold. */
export interface OpenedManifest {
  readonly manifest: Manifest;
  /** base64url. */
  readonly digest: string;
  /** base64url keys of everybody who signed. */
  readonly signers: ReadonlySet<string>;
}

/** What can be wrong with a version and its place in a chain. Closed set. */
export type SuccessionCode =
  /** Fewer of its own owners signed than it says it takes: nobody becomes an owner unasked or by a typing error. */
  | 'owners_too_few'
  /** Fewer of the owners of the version before signed than that one says it takes: they alone may replace it. */
  | 'previous_owners_too_few'
  /** The version before has no owners: nothing may follow it. */
  | 'immutable'
  | 'service_changed'
  | 'serial_not_next'
  /** It names another version as the one before: a fork. */
  | 'previous_differs'
  | 'first_not_serial_1'
  /** Only of the last version: those before have ended by being replaced. */
  | 'expired'
  | 'manifest_malformed'
  | 'signatures_malformed'
  | 'signature_invalid';

/** One thing that is wrong. */
export interface SuccessionProblem {
  readonly code: SuccessionCode;
  readonly expected: string;
  readonly actual: string;
}

/**
 * Reads a manifest and verifies all signatures beside it; whether they are enough is judged elsewhere.
 * @throws ManifestError `manifest_malformed`, `signatures_malformed`, `signature_invalid`.
 */
export async function openManifest({ manifest, signatures }: SignedManifest): Promise<OpenedManifest> {
  return {
    signers: signatures === undefined ? new Set() : await verifySignatures(signatures, manifest),
    manifest: parseManifest(manifest),
    digest: toBase64url(await manifestDigest(manifest)),
  };
}

/** Whether enough of its own owners signed a manifest. One without owners needs nobody. */
export function judgeOwnThreshold({ manifest, signers }: OpenedManifest): readonly SuccessionProblem[] {
  const { owners, threshold } = manifest;
  return tooFew('owners_too_few', owners, threshold, signers);
}

/**
 * Whether `next` may follow `before` at once. By the owners of `before`, who alone may replace it, and by its own threshold: new owners
 * show that they hold their keys, or a wrong key would leave a service that nobody can ever change again.
 */
export function judgeSuccession(before: OpenedManifest, next: OpenedManifest): readonly SuccessionProblem[] {
  const problems: SuccessionProblem[] = [];
  const add = (code: SuccessionCode, expected: string | number, actual: string | number): void => {
    problems.push({ code, expected: String(expected), actual: String(actual) });
  };
  if (isImmutable(before.manifest)) add('immutable', 'no version after this one', next.digest);
  if (next.manifest.service !== before.manifest.service)
    add('service_changed', before.manifest.service, next.manifest.service);
  if (next.manifest.serial !== before.manifest.serial + 1)
    add('serial_not_next', before.manifest.serial + 1, next.manifest.serial);
  if (next.manifest.previous !== before.digest)
    add('previous_differs', before.digest, next.manifest.previous);
  problems.push(...judgeSignedBy(before.manifest, next), ...judgeOwnThreshold(next));
  return problems;
}

/** Whether the owners of a manifest signed another one, as many as it takes to replace theirs. */
export function judgeSignedBy(
  { owners, threshold }: Pick<Manifest, 'owners' | 'threshold'>,
  { signers }: OpenedManifest,
): readonly SuccessionProblem[] {
  return tooFew('previous_owners_too_few', owners, threshold, signers);
}

function tooFew(
  code: SuccessionCode,
  owners: Manifest['owners'],
  threshold: number,
  signers: ReadonlySet<string>,
): readonly SuccessionProblem[] {
  const signed = signersAmong(owners, signers);
  if (signed >= threshold) return [];
  return [{ code, expected: `${threshold} of ${owners.length} owners`, actual: `${signed} signed` }];
}

/** One version of a history. */
export interface HistoryEntry {
  /** Absent when it could not be read or a signature of it does not hold. */
  readonly opened: OpenedManifest | undefined;
  readonly problems: readonly SuccessionProblem[];
}

/** A history as it was found: every version with what is wrong with it. */
export interface HistoryVerdict {
  readonly ok: boolean;
  readonly entries: readonly HistoryEntry[];
}

/**
 * Verifies a history, oldest first, without gaps: `from` says whether it starts with serial 1 or with a version that the caller trusts.
 * `now`: the last version must not have expired then; absent, expiry is not judged.
 */
export async function verifyHistory(
  versions: readonly SignedManifest[],
  options: { readonly from: 'first' | 'trusted'; readonly now?: Date },
): Promise<HistoryVerdict> {
  const entries: HistoryEntry[] = [];
  let before: OpenedManifest | undefined;
  for (const [index, version] of versions.entries()) {
    const problems: SuccessionProblem[] = [];
    let opened: OpenedManifest | undefined;
    try {
      opened = await openManifest(version);
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error;
      problems.push(asProblem(error));
    }
    if (opened !== undefined) {
      if (before !== undefined) problems.push(...judgeSuccession(before, opened));
      else {
        if (index > 0)
          problems.push({
            code: 'previous_differs',
            expected: 'a version before that holds',
            actual: 'none',
          });
        if (index === 0 && options.from === 'first' && opened.manifest.serial !== 1)
          problems.push({
            code: 'first_not_serial_1',
            expected: '1',
            actual: String(opened.manifest.serial),
          });
        problems.push(...judgeOwnThreshold(opened));
      }
      if (index === versions.length - 1 && options.now && options.now > manifestExpiry(opened.manifest))
        problems.push({
          code: 'expired',
          expected: `until ${opened.manifest.not_after}`,
          actual: options.now.toISOString(),
        });
    }
    entries.push({ opened, problems });
    before = opened;
  }
  return { ok: entries.length > 0 && entries.every(({ problems }) => problems.length === 0), entries };
}

function asProblem({ code, message }: ManifestError): SuccessionProblem {
  const known: SuccessionCode =
    code === 'signatures_malformed' || code === 'signature_invalid' ? code : 'manifest_malformed';
  return { code: known, expected: 'a manifest with signatures that hold', actual: message };
}
