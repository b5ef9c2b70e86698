// How young a statement is, beyond its own dates: this client's nonce is in it, or witnesses dated a checkpoint that is.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';
import { equalBytes } from '../bytes/equal.ts';
import { formatInstant } from '../bytes/instant.ts';
import { leafHash, provesInclusion } from '../bytes/merkle-tree.ts';
import { type FreshnessProof, NONCE_OCTETS } from '../evidence/freshness-proof.ts';
import type { NodeStatement } from '../evidence/node-statement.ts';
import { cosignedSince } from '../manifest/checkpoint.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { compare, type StepLog, skipped } from './step.ts';

/** What a client demands of freshness. */
export type FreshnessDemand =
  /** The statement answers these 32 octets, which the client drew at random for this verification and nobody could know before. */
  | { readonly kind: 'nonce'; readonly nonce: Uint8Array }
  /** The statement was made after a checkpoint that enough witnesses dated within so many seconds. */
  | { readonly kind: 'checkpoint'; readonly maximumAgeSeconds: number };

/**
 * A demand that its maker cannot change any more.
 * @throws RangeError for a nonce of another length than 32 octets: a shorter one could be guessed.
 */
export function copyDemand(demand: FreshnessDemand): FreshnessDemand {
  if (demand.kind !== 'nonce') return { ...demand };
  if (demand.nonce.length !== NONCE_OCTETS) throw new RangeError('a nonce has 32 octets');
  return { kind: 'nonce', nonce: demand.nonce.slice() };
}

/** A witness's clock may be this far ahead of the reader's. */
const CLOCK_SKEW_SECONDS = 300;
/** Without a demand a checkpoint is still verified; one older than this says nothing worth saying. */
const DEFAULT_CHECKPOINT_SECONDS = 86_400;

/**
 * Takes the steps `freshness.kind` and, by kind, `freshness.nonce`, or `freshness.checkpoint` and `freshness.age`; stops at the first
 * failure. A proof of a kind that the statement does not name is refused, not ignored.
 */
export async function verifyFreshness(
  log: StepLog,
  facts: {
    readonly statement: NodeStatement;
    readonly proof: FreshnessProof | undefined;
    readonly demand: FreshnessDemand | undefined;
    readonly witnesses: Manifest['witnesses'];
    readonly now: Date;
  },
): Promise<void> {
  const { statement, proof, demand } = facts;
  const { kind, value } = statement.freshness;
  await log.must('freshness.kind', 'The statement is as fresh as you asked, and shows it', () => {
    const wanted = demand === undefined ? kind : demand.kind === 'nonce' ? 'nonces' : 'checkpoint';
    const shown = proof?.kind ?? 'epoch';
    // Whoever asked for nothing may be handed a sibling that answered somebody else's nonce; its path proves nothing to them.
    const isSibling = demand === undefined && kind === 'nonces' && proof === undefined;
    return compare(
      kind === wanted && (shown === kind || isSibling),
      'evidence_freshness_kind',
      wanted,
      shown === kind ? kind : `${kind}, shown as ${shown}`,
    );
  });
  if (kind === 'nonces') await verifyNonce(log, value, proof, demand);
  if (proof?.kind === 'checkpoint') await verifyCheckpoint(log, value, proof.note, facts);
}

async function verifyNonce(
  log: StepLog,
  root: Bytes,
  proof: FreshnessProof | undefined,
  demand: FreshnessDemand | undefined,
): Promise<void> {
  const title = 'The statement was made after your nonce was';
  await log.must('freshness.nonce', title, async () => {
    if (demand?.kind !== 'nonce') return skipped('no nonce of yours');
    const leaf = await leafHash(demand.nonce);
    return compare(
      proof?.kind === 'nonces' && (await provesInclusion(leaf, proof, root)),
      'evidence_freshness_nonce',
      `a root over ${toBase64url(demand.nonce)}`,
      `root ${toBase64url(root)}`,
    );
  });
}

async function verifyCheckpoint(
  log: StepLog,
  value: Bytes,
  note: Bytes,
  { demand, witnesses, now }: Parameters<typeof verifyFreshness>[1],
): Promise<void> {
  const since = await log.must(
    'freshness.checkpoint',
    'Witnesses dated what the statement was made after',
    async () => {
      // The hash covers the cosignatures and with them their times: over the checkpoint alone, a later cosignature would make an old
      // statement look young.
      if (!equalBytes(await sha256(note), value))
        return { result: 'fail', code: 'evidence_freshness_checkpoint', expected: toBase64url(value) };
      const time = await cosignedSince(note, witnesses.keys, witnesses.threshold);
      return time === undefined
        ? {
            result: 'fail',
            code: 'evidence_freshness_checkpoint',
            expected: `${witnesses.threshold} of ${witnesses.keys.length} witnesses`,
            actual: 'fewer, or forged',
          }
        : { result: 'pass', actual: formatInstant(time), value: time };
    },
  );
  await log.must('freshness.age', 'That is not too long ago', () => {
    const maximum = demand?.kind === 'checkpoint' ? demand.maximumAgeSeconds : DEFAULT_CHECKPOINT_SECONDS;
    const age = (now.getTime() - since.getTime()) / 1000;
    return compare(
      age >= -CLOCK_SKEW_SECONDS && age <= maximum,
      'evidence_freshness_stale',
      `at most ${maximum} s`,
      `${Math.round(age)} s`,
    );
  });
}
