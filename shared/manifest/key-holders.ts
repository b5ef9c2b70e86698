// Who holds keys, and how many of them must agree: owners, recovery owners and witnesses alike.

import { integer, list, object, rule, type Shape, text } from '../bytes/shape.ts';
import { ed25519Key } from './verify-ed25519.ts';

/** One holder of one key. */
export interface KeyHolder {
  /** For people, and to tell them apart; what counts is the key. */
  readonly name: string;
  /** base64url, 32 octets. */
  readonly ed25519: string;
}

const MOST_HOLDERS = 32;

const holder: Shape<KeyHolder> = object<KeyHolder>({
  name: text(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,126}$/, 'a name of letters, digits, dots, slashes and hyphens'),
  ed25519: ed25519Key,
});

/** A list of holders, each name and each key once. */
export const keyHolders: Shape<readonly KeyHolder[]> = rule(list(holder, 0, MOST_HOLDERS), (all) => {
  if (new Set(all.map(({ name }) => name)).size !== all.length) return 'has a name twice';
  return new Set(all.map(({ ed25519 }) => ed25519)).size === all.length ? undefined : 'has a key twice';
});

/** A number of holders; whether it fits their list is `thresholdProblem`'s. */
export const threshold: Shape<number> = integer(0, MOST_HOLDERS);

/** What is wrong with a threshold for so many holders: 0 is for nobody, and otherwise it is 1 to all of them. */
export function thresholdProblem(holders: number, wanted: number): string | undefined {
  if (holders === 0) return wanted === 0 ? undefined : 'must be 0, because nobody holds a key';
  return wanted >= 1 && wanted <= holders ? undefined : `must be 1 to ${holders}, the number of key holders`;
}
