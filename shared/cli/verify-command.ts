// `cloister verify`: takes a node's bundle from an edge or a file, verifies it, and shows every step.

import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fromBase64url, toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { formatInstant, parseInstant } from '../bytes/instant.ts';
import { BlobStore } from '../client/blob-store.ts';
import { fetchBundle, fetchFreshBundle, listNodes } from '../client/fetch-directory.ts';
import { type Remembering, verifyRemembering } from '../client/verify-remembering.ts';
import { NONCE_OCTETS } from '../evidence/freshness-proof.ts';
import { VerificationError } from '../verifier/verification-error.ts';
import { type Verification, verifyBundle } from '../verifier/verify-bundle.ts';
import { UsageError } from './exit-code.ts';
import { FIRST_USE } from './first-use.ts';
import { readPolicy } from './read-policy.ts';
import { saveEvidence } from './save-evidence.ts';
import type { Terminal } from './terminal.ts';

export interface VerifyArguments {
  /** An edge's URL or a bundle file. */
  readonly target: string | undefined;
  readonly policy: string | undefined;
  /** base64url node id; default: every listed node. */
  readonly node: string | undefined;
  readonly json: boolean;
  /** Folder into which the raw evidence is written. */
  readonly save: string | undefined;
  /** Ask each node for evidence over a nonce drawn now. */
  readonly fresh: boolean;
  /** With a file: the nonce that its statement must answer, base64url. */
  readonly nonce: string | undefined;
  /** With a file: the time of the verification. */
  readonly at: string | undefined;
}

interface Source {
  readonly name: string;
  readonly bundle: Uint8Array;
  readonly nonce: Bytes | undefined;
}

/**
 * Verifies each bundle; data (a table, or one JSON object a line) on stdout.
 * @throws VerificationError of the first node that failed, after all were shown.
 */
export async function verifyCommand(
  args: VerifyArguments,
  terminal: Terminal,
  now: () => Date,
  remembering: Omit<Remembering, 'origin'>,
): Promise<void> {
  const { target, save } = args;
  if (target === undefined) throw new UsageError('name an edge or a bundle file: cloister verify URL|FILE');
  const isEdge = /^https?:\/\//.test(target);
  const at = readTime(args.at, isEdge);
  const policy = await readPolicy(args.policy);
  let failure: VerificationError | undefined;
  for (const { name, bundle, nonce } of await sources(target, args, isEdge)) {
    const verifiedAt = at ?? now();
    const context = {
      now: verifiedAt,
      ...(nonce && { freshness: { kind: 'nonce', nonce } as const }),
    };
    // A saved bundle is about then, and is held against nothing that was seen since.
    const verification = isEdge
      ? await verifyRemembering(bundle, policy, context, { ...remembering, origin: new URL(target).origin })
      : await verifyBundle(bundle, policy, context);
    if (save !== undefined)
      await saveEvidence(isEdge ? join(save, name) : save, bundle, {
        verified_at: formatInstant(verifiedAt),
        ...(nonce && { nonce: toBase64url(nonce) }),
        source: isEdge ? target : basename(target),
      });
    if (args.json) terminal.data(JSON.stringify(toJson(name, verification)));
    else showTable(name, verification, terminal);
    if (!verification.ok) failure ??= new VerificationError(verification.failure);
  }
  if (failure !== undefined) throw failure;
}

// A living edge is verified now: at any other time the answer would be about somebody's cache.
function readTime(text: string | undefined, isEdge: boolean): Date | undefined {
  if (text === undefined) return undefined;
  if (isEdge) throw new UsageError('--at is for saved bundles: an edge is verified now');
  const time = parseInstant(text);
  if (time === undefined) throw new UsageError('--at takes a time such as 2027-01-31T23:59:59Z');
  return time;
}

async function sources(
  target: string,
  { node, fresh, nonce: text }: VerifyArguments,
  isEdge: boolean,
): Promise<readonly Source[]> {
  if (!isEdge) {
    if (fresh)
      throw new UsageError('--fresh asks an edge; with a saved bundle, --nonce names what it must answer');
    return [{ name: target, bundle: new Uint8Array(await readFile(target)), nonce: readNonce(text) }];
  }
  if (text !== undefined) throw new UsageError('--nonce is for saved bundles; --fresh draws one for an edge');
  const { origin } = new URL(target);
  const nodes = node === undefined ? await listNodes(origin, fetch) : [node];
  if (nodes.length === 0) throw new Error('the edge lists no node');
  const directory = { origin, fetchEdge: fetch, blobs: new BlobStore() };
  // One after the other, so that what they share is fetched once.
  const found: Source[] = [];
  for (const name of nodes) {
    const nonce = fresh ? crypto.getRandomValues(new Uint8Array(NONCE_OCTETS)) : undefined;
    const bundle = nonce
      ? await fetchFreshBundle(directory, name, nonce)
      : await fetchBundle(directory, name);
    found.push({ name, bundle, nonce });
  }
  return found;
}

function readNonce(text: string | undefined): Bytes | undefined {
  if (text === undefined) return undefined;
  try {
    const nonce = fromBase64url(text);
    if (nonce.length === NONCE_OCTETS) return nonce;
  } catch {
    // falls through to the one refusal
  }
  throw new UsageError('--nonce takes base64url of 32 octets');
}

function toJson(name: string, verification: Verification): object {
  const { ok, steps } = verification;
  if (!verification.ok)
    return {
      node: name,
      ok,
      code: verification.failure.code,
      violations: verification.failure.violations,
      steps,
    };
  const { assurance, coreDigest, deployment, notAfter, manifestTrust } = verification.key;
  return {
    node: name,
    ok,
    assurance,
    manifest_trust: manifestTrust,
    core_digest: coreDigest,
    deployment,
    not_after: notAfter.toISOString(),
    steps,
  };
}

function showTable(name: string, verification: Verification, terminal: Terminal): void {
  const simulated = verification.ok && verification.key.assurance === 'simulated';
  const firstUse = verification.ok && verification.key.manifestTrust === 'first-use';
  terminal.data(terminal.bold(`node ${name}`));
  for (const { name: step, title, result, expected, actual, code, milliseconds } of verification.steps) {
    const mark = {
      pass: simulated || firstUse ? terminal.amber('✓') : terminal.green('✓'),
      fail: terminal.red('✗'),
      skipped: '–',
    }[result];
    const text = result === 'skipped' ? `not asked for: ${title}` : title;
    terminal.data(`  ${mark} ${step.padEnd(28)} ${milliseconds.toFixed(1).padStart(7)} ms  ${text}`);
    if (result !== 'fail') continue;
    terminal.data(`      ${code}`);
    if (expected !== undefined) terminal.data(`      expected ${expected}`);
    if (actual !== undefined) terminal.data(`      actual   ${actual}`);
  }
  if (!verification.ok) terminal.data(terminal.red('  Refused.'));
  else if (!simulated && !firstUse)
    terminal.data(terminal.green(`  Verified until ${verification.key.notAfter.toISOString()}.`));
  if (firstUse) terminal.data(terminal.amber(`  ${FIRST_USE}`));
  if (simulated)
    terminal.data(
      terminal.amber(
        '  SIMULATED: verified under a root that only your policy names. No hardware vouches for this.',
      ),
    );
}
