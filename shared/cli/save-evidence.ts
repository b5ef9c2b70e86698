// Keeps the raw evidence of a verification: the bundle as it came, and every part of it in a file that other tools can read.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fromBase64url } from '../bytes/base64url.ts';
import { parseBundle } from '../evidence/bundle.ts';
import { EvidenceError } from '../evidence/evidence-error.ts';
import { parseStatement } from '../evidence/node-statement.ts';

/** What is kept beside the bundle, so that the same verification can be made again. */
export interface SavedContext {
  /** Such as `2027-01-31T23:59:59Z`: for `--at`. */
  readonly verified_at: string;
  /** base64url; present when the statement answers a nonce: for `--nonce`. */
  readonly nonce?: string;
  /** Where the bundle came from. */
  readonly source: string;
}

/** Extension by a member's name; everything else is `.bin`. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  manifest: 'json',
  signatures: 'json',
  log_proof: 'json',
  statement: 'json',
  document: 'json',
  answer: 'json',
  ask: 'der',
  ark: 'der',
  vcek: 'der',
  vlek: 'der',
  signer: 'der',
  chain: 'der',
  crl: 'crl',
  pck_crl: 'crl',
  root_crl: 'crl',
  note: 'txt',
};

/**
 * Writes `bundle.json`, `context.json` and, where the bundle can be read at all, `parts/…` into `folder`, which is made.
 * A bundle of any form is kept: that it is malformed may be what somebody wants to look at.
 */
export async function saveEvidence(folder: string, bundle: Uint8Array, context: SavedContext): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'bundle.json'), bundle);
  await writeFile(join(folder, 'context.json'), `${JSON.stringify(context, null, 2)}\n`);
  let core: Uint8Array;
  try {
    core = parseStatement(parseBundle(bundle).node.statement).core;
  } catch (error) {
    if (error instanceof EvidenceError) return;
    throw error;
  }
  // The names are those of the bundle's format, which was just checked: nothing of a stranger's becomes a path.
  const parts = join(folder, 'parts');
  await writePart(join(parts, 'node', 'core.json'), core);
  await writeParts(parts, JSON.parse(new TextDecoder().decode(bundle)));
}

async function writeParts(path: string, value: unknown, name = ''): Promise<void> {
  if (typeof value === 'string') {
    if (name === 'result') return writePart(`${path}.jwt`, new TextEncoder().encode(value));
    if (name === 'kind') return;
    return writePart(`${path}.${EXTENSIONS[name] ?? 'bin'}`, fromBase64url(value));
  }
  if (Array.isArray(value))
    for (const [index, item] of value.entries()) await writeParts(join(path, String(index)), item, name);
  else if (typeof value === 'object' && value !== null)
    for (const [member, item] of Object.entries(value)) await writeParts(join(path, member), item, member);
}

async function writePart(path: string, octets: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, octets);
}
