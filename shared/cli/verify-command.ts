// `cloister verify`: takes a node's bundle from an edge or a file, verifies it, and shows every step.

import { readFile, writeFile } from 'node:fs/promises';
import { fetchBundle, listNodes } from '../client/fetch-directory.ts';
import { VerificationError } from '../verifier/verification-error.ts';
import { type Verification, verifyBundle } from '../verifier/verify-bundle.ts';
import { UsageError } from './exit-code.ts';
import { readPolicy } from './read-policy.ts';
import type { Terminal } from './terminal.ts';

export interface VerifyArguments {
  /** An edge's URL or a bundle file. */
  readonly target: string | undefined;
  readonly policy: string | undefined;
  /** base64url node id; default: every listed node. */
  readonly node: string | undefined;
  readonly json: boolean;
  /** Where the raw bundle is written. */
  readonly save: string | undefined;
}

interface Source {
  readonly name: string;
  readonly bundle: Uint8Array;
}

/**
 * Verifies each bundle; data (a table, or one JSON object a line) on stdout.
 * @throws VerificationError of the first node that failed, after all were shown.
 */
export async function verifyCommand(
  args: VerifyArguments,
  terminal: Terminal,
  now: () => Date,
): Promise<void> {
  if (args.target === undefined)
    throw new UsageError('name an edge or a bundle file: cloister verify URL|FILE');
  const policy = await readPolicy(args.policy);
  let failure: VerificationError | undefined;
  for (const { name, bundle } of await sources(args.target, args.node)) {
    if (args.save !== undefined) await writeFile(args.save, bundle);
    const verification = await verifyBundle(bundle, policy, { now: now() });
    if (args.json) terminal.data(JSON.stringify(toJson(name, verification)));
    else showTable(name, verification, terminal);
    if (!verification.ok) failure ??= new VerificationError(verification.failure);
  }
  if (failure !== undefined) throw failure;
}

async function sources(target: string, node: string | undefined): Promise<readonly Source[]> {
  if (!/^https?:\/\//.test(target)) return [{ name: target, bundle: new Uint8Array(await readFile(target)) }];
  const { origin } = new URL(target);
  const nodes = node === undefined ? await listNodes(origin, fetch) : [node];
  if (nodes.length === 0) throw new Error('the edge lists no node');
  return Promise.all(nodes.map(async (id) => ({ name: id, bundle: await fetchBundle(origin, id, fetch) })));
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
  const { assurance, coreDigest, deployment, notAfter } = verification.key;
  return {
    node: name,
    ok,
    assurance,
    core_digest: coreDigest,
    deployment,
    not_after: notAfter.toISOString(),
    steps,
  };
}

function showTable(name: string, verification: Verification, terminal: Terminal): void {
  const simulated = verification.ok && verification.key.assurance === 'simulated';
  terminal.data(terminal.bold(`node ${name}`));
  for (const { name: step, title, result, expected, actual, code, milliseconds } of verification.steps) {
    const mark = {
      pass: simulated ? terminal.amber('✓') : terminal.green('✓'),
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
  else if (simulated)
    terminal.data(
      terminal.amber(
        '  SIMULATED: verified under a root that only your policy names. No hardware vouches for this.',
      ),
    );
  else terminal.data(terminal.green(`  Verified until ${verification.key.notAfter.toISOString()}.`));
}
