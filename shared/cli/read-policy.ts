// Reads the policy that the user names. There is no default: an absent policy trusts nobody.

import { readFile } from 'node:fs/promises';
import { type Policy, parsePolicy } from '../verifier/policy.ts';
import { UsageError } from './exit-code.ts';

/** `argument`: a file, or the JSON itself. @throws UsageError when it is absent or cannot be read; PolicyError with every problem. */
export async function readPolicy(argument: string | undefined): Promise<Policy> {
  if (argument === undefined) throw new UsageError('name a policy: --policy FILE (or the JSON itself)');
  let text = argument;
  if (!argument.trimStart().startsWith('{')) {
    try {
      text = await readFile(argument, 'utf8');
    } catch {
      throw new UsageError(`the policy file ${argument} cannot be read`);
    }
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageError('the policy is not JSON');
  }
  return parsePolicy(value);
}
