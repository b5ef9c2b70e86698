// The steps about the manifest: whose it is, whether it is the newest that the client knows of, and whether it is in force.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { formatInstant } from '../bytes/instant.ts';
import { judgePublication, parseLogProof } from '../manifest/log-proof.ts';
import { type Manifest, manifestDigest, manifestExpiry, parseManifest } from '../manifest/manifest.ts';
import { ManifestError } from '../manifest/manifest-error.ts';
import {
  judgeOwnThreshold,
  judgeSignedBy,
  judgeSuccession,
  type OpenedManifest,
  type SignedManifest,
  verifyHistory,
} from '../manifest/manifest-history.ts';
import { signersAmong, verifySignatures } from '../manifest/manifest-signatures.ts';
import type { ManifestPin } from './manifest-pin.ts';
import { compare, type Finding, type StepLog, skipped } from './step.ts';
import type { EvidenceCode, PolicyCode } from './verification-error.ts';

/** What of a bundle is about the manifest. */
export interface ManifestParts extends SignedManifest {
  /** Versions before, oldest first, without gaps up to the one before this. */
  readonly history?: readonly SignedManifest[] | undefined;
  readonly logProof?: Bytes | undefined;
}

/** What the client brings along. */
export interface ManifestTrust {
  readonly pin: ManifestPin;
  readonly now: Date;
  /** The highest version that this client has seen: the manifest's octets. */
  readonly remembered: Uint8Array | undefined;
}

/** A manifest that may be held against a node. */
export interface TrustedManifest {
  readonly manifest: Manifest;
  /** 32 octets. */
  readonly hash: Bytes;
}

/**
 * Takes the steps of `manifest.*`. Stops where the manifest is not the client's; keeps every other violation.
 * @throws ManifestError when `remembered` is not a manifest: it is the caller's own memory.
 */
export async function verifyManifest(
  log: StepLog,
  parts: ManifestParts,
  trust: ManifestTrust,
): Promise<TrustedManifest> {
  const { pin, now } = trust;
  const remembered = await openRemembered(trust.remembered);
  const hash = await manifestDigest(parts.manifest);
  const digest = toBase64url(hash);
  if (pin.pin === 'digest')
    await log.must('manifest.pin', 'The manifest is the one that you pinned', () =>
      compare(digest === pin.digest, 'policy_manifest_pin', pin.digest, digest),
    );

  const signers = await log.must<ReadonlySet<string>>(
    'manifest.signatures',
    'Every signature beside the manifest is its signer’s, of this manifest',
    () =>
      parts.signatures === undefined
        ? { ...skipped('nobody signed'), value: new Set<string>() }
        : readOr('evidence_manifest_signature', async () => {
            const value = await verifySignatures(parts.signatures ?? new Uint8Array(), parts.manifest);
            return { result: 'pass', actual: `${value.size} signed`, value };
          }),
  );
  const manifest = await log.must<Manifest>('manifest.form', 'The manifest states every expectation', () =>
    readOr('evidence_manifest_malformed', () => ({ result: 'pass', value: parseManifest(parts.manifest) })),
  );
  const opened: OpenedManifest = { manifest, digest, signers };
  const chain = await verifyChain(log, parts, opened);

  judgeOwners(log, pin, opened);
  if (pin.pin === 'owners') await judgePinnedOwners(log, pin, chain);
  judgeVersion(log, pin, chain, remembered);
  if (pin.pin === 'first-use') judgeFirstUse(log, opened, remembered);
  if (pin.pin === 'owners') await judgeNotice(log, pin, parts, now);
  log.judge('manifest.expiry', 'The manifest has not expired', () =>
    compare(
      now <= manifestExpiry(manifest),
      'policy_manifest_expired',
      formatInstant(now),
      `until ${manifest.not_after}`,
    ),
  );
  return { manifest, hash };
}

/** The versions that the bundle shows, oldest first, the one in force last; every one may follow the one before. */
async function verifyChain(
  log: StepLog,
  parts: ManifestParts,
  current: OpenedManifest,
): Promise<readonly OpenedManifest[]> {
  if (parts.history === undefined) return [current];
  const history = parts.history;
  return log.must('manifest.history', 'Each version was signed by the owners of the one before', async () => {
    const { entries } = await verifyHistory([...history, parts], { from: 'trusted' });
    const value = entries.flatMap(({ opened }) => (opened === undefined ? [] : [opened]));
    const problem = entries.flatMap(({ problems }) => problems)[0];
    if (problem === undefined) return { result: 'pass', actual: `${entries.length} versions`, value };
    return {
      result: 'fail',
      code: 'evidence_manifest_history',
      expected: problem.expected,
      actual: `${problem.code}: ${problem.actual}`,
    };
  });
}

function judgeOwners(log: StepLog, pin: ManifestPin, opened: OpenedManifest): void {
  const { owners, threshold } = opened.manifest;
  log.judge('manifest.threshold', 'Enough of the owners that it names signed it', () => {
    if (owners.length === 0) return skipped('immutable: it names no owner');
    const actual = `${signersAmong(owners, opened.signers)} of ${owners.length}`;
    // Whoever pinned these octets needs nobody's word for them.
    if (pin.pin === 'digest') return skipped(`pinned by its digest; ${actual}`);
    const enough = judgeOwnThreshold(opened).length === 0;
    return compare(enough, 'policy_manifest_threshold', `${threshold} of ${owners.length}`, actual);
  });
}

async function judgePinnedOwners(
  log: StepLog,
  pin: ManifestPin & { pin: 'owners' },
  chain: readonly OpenedManifest[],
): Promise<void> {
  const current = chain.at(-1);
  if (current === undefined) throw new Error('a chain ends with the manifest itself');
  await log.must('manifest.pin', 'The owners that you pinned signed it, or its owners into office', () => {
    const holders = pin.owners.map((ed25519) => ({ ed25519 }));
    const signed = chain.map(({ signers }) => signersAmong(holders, signers));
    const most = Math.max(...signed);
    return compare(
      most >= pin.threshold,
      'policy_manifest_owners',
      `${pin.threshold} of ${pin.owners.length}`,
      `${most}`,
    );
  });
  log.judge('manifest.service', 'It is about the service that you mean', () =>
    compare(
      current.manifest.service === pin.service,
      'policy_manifest_service',
      pin.service,
      current.manifest.service,
    ),
  );
}

function judgeVersion(
  log: StepLog,
  pin: ManifestPin,
  chain: readonly OpenedManifest[],
  remembered: OpenedManifest | undefined,
): void {
  const current = chain.at(-1);
  if (current === undefined) throw new Error('a chain ends with the manifest itself');
  log.judge('manifest.version', 'It is no older than what you have seen, and follows from it', () => {
    if (pin.pin === 'digest') return skipped('pinned by its digest');
    const { serial } = current.manifest;
    const least = pin.pin === 'owners' ? pin.minimum_serial : 1;
    if (serial < least)
      return compare(false, 'policy_manifest_minimum', `version ${least} or later`, `version ${serial}`);
    if (remembered === undefined) return { result: 'pass', actual: `version ${serial}, none seen before` };
    return follows(chain, current, remembered);
  });
}

function follows(
  chain: readonly OpenedManifest[],
  current: OpenedManifest,
  remembered: OpenedManifest,
): Finding<PolicyCode> {
  const seen = remembered.manifest.serial;
  const { serial } = current.manifest;
  const expected = `version ${seen} (${remembered.digest}) or what follows from it`;
  const actual = `version ${serial} (${current.digest})`;
  const refuse = (code: PolicyCode, why = actual) => compare(false, code, expected, why);
  if (current.manifest.service !== remembered.manifest.service) return refuse('policy_manifest_service');
  if (serial < seen) return refuse('policy_manifest_rollback');
  if (current.digest === remembered.digest) return { result: 'pass', expected, actual };
  if (remembered.manifest.owners.length === 0) return refuse('policy_manifest_immutable');

  // The chain ends with the manifest itself: another one of the same version is a fork, too.
  const at = chain.findIndex(({ manifest }) => manifest.serial === seen);
  if (at >= 0)
    return chain[at]?.digest === remembered.digest
      ? { result: 'pass', expected, actual }
      : refuse('policy_manifest_forked');
  // The history shown begins after the remembered version, or there is none: the known owners must have signed its first.
  const first = chain[0] ?? current;
  if (first.manifest.serial === seen + 1) {
    const [problem] = judgeSuccession(remembered, first);
    if (problem === undefined) return { result: 'pass', expected, actual };
    return refuse(
      problem.code === 'previous_differs' ? 'policy_manifest_forked' : 'policy_manifest_succession',
      `${actual}: ${problem.code}, ${problem.actual}`,
    );
  }
  const [problem] = judgeSignedBy(remembered.manifest, first);
  return problem === undefined
    ? { result: 'pass', expected, actual }
    : refuse('policy_manifest_succession', `${actual}: ${problem.actual}`);
}

function judgeFirstUse(log: StepLog, current: OpenedManifest, remembered: OpenedManifest | undefined): void {
  log.judge('manifest.pin', 'The manifest is the one that you met first or accepted since', () =>
    remembered === undefined
      ? skipped(`first use: nobody says that ${current.digest} is the right one`)
      : compare(
          current.digest === remembered.digest,
          'policy_manifest_changed',
          remembered.digest,
          current.digest,
        ),
  );
}

async function judgeNotice(
  log: StepLog,
  { notice }: ManifestPin & { pin: 'owners' },
  { manifest, logProof }: ManifestParts,
  now: Date,
): Promise<void> {
  const title = 'It has been public for as long as you ask';
  if (notice === 'none') return log.judge('manifest.notice', title, () => skipped('0 hours'));
  const since = await publishedSince(notice, manifest, logProof);
  const latest = new Date(now.getTime() - notice.hours * 3_600_000);
  const expected = `in the log ${notice.log} since ${formatInstant(latest)}, by ${notice.threshold} witnesses`;
  log.judge('manifest.notice', title, () =>
    since === undefined
      ? compare(
          false,
          'policy_manifest_notice_unproven',
          expected,
          logProof === undefined ? 'no proof' : 'a proof of something else',
        )
      : compare(since <= latest, 'policy_manifest_notice', expected, `since ${formatInstant(since)}`),
  );
}

async function publishedSince(
  notice: Exclude<(ManifestPin & { pin: 'owners' })['notice'], 'none'>,
  manifest: Bytes,
  logProof: Bytes | undefined,
): Promise<Date | undefined> {
  if (logProof === undefined) return undefined;
  try {
    return (await judgePublication(parseLogProof(logProof), manifest, notice))?.since;
  } catch (error) {
    if (error instanceof ManifestError) return undefined;
    throw error;
  }
}

async function openRemembered(octets: Uint8Array | undefined): Promise<OpenedManifest | undefined> {
  if (octets === undefined) return undefined;
  return {
    manifest: parseManifest(octets),
    digest: toBase64url(await manifestDigest(octets)),
    signers: new Set(),
  };
}

type Read<T> = { readonly result: 'pass'; readonly actual?: string; readonly value: T };

/** A document that cannot be read is evidence that is bad, whatever the client's policy. */
async function readOr<T>(
  code: Extract<EvidenceCode, 'evidence_manifest_malformed' | 'evidence_manifest_signature'>,
  read: () => Read<T> | Promise<Read<T>>,
): Promise<Read<T> | { readonly result: 'fail'; readonly code: EvidenceCode; readonly actual: string }> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    return {
      result: 'fail',
      code: error.code === 'signatures_malformed' ? 'evidence_signatures_malformed' : code,
      actual: error.message,
    };
  }
}
