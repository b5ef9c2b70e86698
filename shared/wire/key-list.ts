// Splits an `application/ohttp-keys` list into its key configurations, for those who route by them and open nothing.

import { type Bytes, concat } from '../bytes/concat.ts';
import { LIMIT } from './limits.ts';

/** One key configuration (RFC 9458 section 3.1) as far as a relay needs it. */
export interface ListedKey {
  /** The first octet of every request that is sealed to it. */
  readonly keyId: number;
  /** IANA HPKE KEM identifier. */
  readonly kemId: number;
  /** The whole configuration, without the list's length prefix. */
  readonly config: Bytes;
}

/** The list breaks the framing. `code` is stable: `key_list_malformed`. A malformed list is thrown away whole. */
export class KeyListError extends Error {
  override readonly name = 'KeyListError';
  readonly code = 'key_list_malformed';
  constructor() {
    super('not a valid list of key configurations');
  }
}

/** Octets of a public key, by KEM; a KEM that is not here is passed on unmeasured. */
const PUBLIC_KEY_OCTETS: Readonly<Record<number, number>> = { 32: 32, 25722: 1216 };

/** Key id (1) and KEM (2). */
const FIXED_OCTETS = 3;
/** Length of the algorithm list (2) and one KDF and AEAD pair (4). */
const LEAST_ALGORITHMS_OCTETS = 6;

/**
 * Reads the framing of a list: repeated { u16 length, configuration } (RFC 9458 section 3.2).
 * @throws KeyListError when the list is empty, longer than `LIMIT.keyListBytes`, cut, or holds a configuration whose
 * lengths disagree with themselves.
 */
export function splitKeyList(list: Uint8Array): readonly ListedKey[] {
  if (list.length === 0 || list.length > LIMIT.keyListBytes) throw new KeyListError();
  const keys: ListedKey[] = [];
  for (let offset = 0; offset < list.length; ) {
    if (list.length - offset < 2) throw new KeyListError();
    const end = offset + 2 + u16(list, offset);
    if (end > list.length) throw new KeyListError();
    keys.push(readConfig(concat(list.subarray(offset + 2, end))));
    offset = end;
  }
  return keys;
}

/** One configuration with its length prefix, as a list holds it. */
export function frameKeyConfig(config: Uint8Array): Bytes {
  if (config.length > 0xffff) throw new KeyListError();
  const framed = new Uint8Array(2 + config.length);
  framed.set([config.length >> 8, config.length & 0xff]);
  framed.set(config, 2);
  return framed;
}

function readConfig(config: Bytes): ListedKey {
  if (config.length < FIXED_OCTETS + 1 + LEAST_ALGORITHMS_OCTETS) throw new KeyListError();
  const kemId = u16(config, 1);
  const keyOctets = PUBLIC_KEY_OCTETS[kemId];
  if (keyOctets !== undefined) {
    const at = FIXED_OCTETS + keyOctets;
    if (config.length < at + LEAST_ALGORITHMS_OCTETS) throw new KeyListError();
    const algorithms = u16(config, at);
    if (algorithms === 0 || algorithms % 4 !== 0 || at + 2 + algorithms !== config.length)
      throw new KeyListError();
  }
  return { keyId: config[0] as number, kemId, config };
}

function u16(octets: Uint8Array, offset: number): number {
  return ((octets[offset] as number) << 8) | (octets[offset + 1] as number);
}
