// What a policy that trusts on first use says to people, and how they accept a change.

import { createInterface } from 'node:readline/promises';
import type { ManifestChangeEvent } from '../client/verify-remembering.ts';
import { showChanges } from './manifest/report-manifest.ts';
import type { Terminal } from './terminal.ts';

/** Shown wherever nothing pins the manifest: the marks above it are of a promise that nobody vouches for. */
export const FIRST_USE =
  'UNVERIFIED: the policy trusts on first use. Nobody says that this manifest is the right one; pin its owners.';

/** Shows every change and asks; without a terminal to ask on, the answer is no. */
export async function askAboutChange(
  { before, after, changes }: ManifestChangeEvent,
  terminal: Terminal,
  input: NodeJS.ReadStream,
): Promise<boolean> {
  terminal.message(`the manifest of ${after.service} changed: version ${before.serial} → ${after.serial}`);
  showChanges(changes, terminal.onMessages());
  if (input.isTTY !== true) {
    terminal.message('refused: nobody is here to accept it');
    return false;
  }
  const lines = createInterface({ input, output: process.stderr });
  try {
    return (await lines.question('accept it from now on? Type yes: ')).trim() === 'yes';
  } finally {
    lines.close();
  }
}
