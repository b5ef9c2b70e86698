// Finds the account of a request's API key, or refuses in one way for every reason.

import { sha256 } from '../../shared/bytes/digest.ts';
import { equalBytes } from '../../shared/bytes/equal.ts';
import { toUtf8 } from '../../shared/bytes/utf8.ts';
import { OUTER_HEADER } from '../../shared/wire/header-names.ts';
import type { ApiKeyEntry } from './read-configuration.ts';
import { Refusal } from './refusal.ts';

const BEARER = /^Bearer +([\x21-\x7e]{1,512})$/i;

/**
 * The opaque account handle of the bearer key.
 * @throws Refusal `invalid_api_key`, the same for an absent, malformed and unknown key. Every configured digest is
 * compared, so the time does not tell which one came close.
 */
export async function checkApiKey(headers: Headers, entries: readonly ApiKeyEntry[]): Promise<string> {
  const key = BEARER.exec(headers.get(OUTER_HEADER.authorization) ?? '')?.[1] ?? '';
  const digest = await sha256(toUtf8(key));
  let account: string | undefined;
  for (const entry of entries) if (equalBytes(entry.digest, digest)) account = entry.account;
  if (key === '' || account === undefined)
    throw new Refusal('invalid_api_key', { headers: { 'www-authenticate': 'Bearer' } });
  return account;
}
