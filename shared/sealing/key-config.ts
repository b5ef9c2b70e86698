// Key configurations and their list, `application/ohttp-keys` (RFC 9458 section 3).

import { type Bytes, concat } from '../bytes/concat.ts';
import { LIMIT } from '../wire/limits.ts';
import { SealingError } from './sealing-error.ts';
import { isPostQuantum, KEM_ID, kemSizes, SUITES, type Suite } from './suite.ts';

/** One symmetric algorithm pair of a configuration. */
export interface SymmetricAlgorithms {
  readonly kdfId: number;
  readonly aeadId: number;
}

/** One key configuration (RFC 9458 section 3.1). */
export interface KeyConfig {
  /** 0 to 255. */
  readonly keyId: number;
  readonly kemId: number;
  readonly publicKey: Bytes;
  /** At least one pair, in the server's order. */
  readonly algorithms: readonly SymmetricAlgorithms[];
  /** The configuration without its u16 length prefix: its SHA-256 is the value of `cloister-key`. */
  readonly encoded: Bytes;
}

// FIPS 203: modulus, and the three polynomials of 256 coefficients that an ML-KEM-768 key begins with.
const MLKEM_Q = 3329;
const MLKEM768_COEFFICIENT_OCTETS = 3 * 384;

const malformed = () => new SealingError('key_config_malformed');

/**
 * Builds a configuration from its parts.
 * @throws SealingError `key_config_malformed` when a part is out of range, `suite_unsupported` for a foreign KEM.
 */
export function makeKeyConfig(parts: Omit<KeyConfig, 'encoded'>): KeyConfig {
  const { keyId, kemId, publicKey, algorithms } = parts;
  const sizes = kemSizes(kemId);
  if (sizes === undefined) throw new SealingError('suite_unsupported');
  if (!Number.isInteger(keyId) || keyId < 0 || keyId > 0xff) throw malformed();
  if (publicKey.length !== sizes.publicKey || !isPublicKey(kemId, publicKey) || algorithms.length === 0)
    throw malformed();
  const head = new Uint8Array(3);
  head[0] = keyId;
  new DataView(head.buffer).setUint16(1, kemId);
  const tail = new Uint8Array(2 + 4 * algorithms.length);
  const view = new DataView(tail.buffer);
  view.setUint16(0, 4 * algorithms.length);
  algorithms.forEach(({ kdfId, aeadId }, i) => {
    view.setUint16(2 + 4 * i, kdfId);
    view.setUint16(4 + 4 * i, aeadId);
  });
  return { keyId, kemId, publicKey, algorithms, encoded: concat(head, publicKey, tail) };
}

/**
 * Parses a list. A configuration whose KEM is outside the profile is passed over, because its public key has no length
 * that we know; anything malformed throws the whole list away (RFC 9458 section 3.2).
 * @throws SealingError `key_config_malformed`
 */
export function parseKeyConfigList(list: Uint8Array): readonly KeyConfig[] {
  if (list.length === 0 || list.length > LIMIT.keyListBytes) throw malformed();
  const view = new DataView(list.buffer, list.byteOffset, list.byteLength);
  const configs: KeyConfig[] = [];
  for (let offset = 0; offset < list.length; ) {
    if (offset + 2 > list.length) throw malformed();
    const end = offset + 2 + view.getUint16(offset);
    if (end > list.length) throw malformed();
    const config = parseKeyConfig(concat(list.subarray(offset + 2, end)));
    if (config !== undefined) configs.push(config);
    offset = end;
  }
  return configs;
}

function parseKeyConfig(encoded: Bytes): KeyConfig | undefined {
  const view = new DataView(encoded.buffer);
  if (encoded.length < 3) throw malformed();
  const kemId = view.getUint16(1);
  const sizes = kemSizes(kemId);
  if (sizes === undefined) return undefined;
  const algorithmsAt = 3 + sizes.publicKey;
  if (encoded.length < algorithmsAt + 2) throw malformed();
  const octets = view.getUint16(algorithmsAt);
  if (octets === 0 || octets % 4 !== 0 || algorithmsAt + 2 + octets !== encoded.length) throw malformed();
  const publicKey = encoded.slice(3, algorithmsAt);
  if (!isPublicKey(kemId, publicKey)) throw malformed();
  const algorithms: SymmetricAlgorithms[] = [];
  for (let at = algorithmsAt + 2; at < encoded.length; at += 4)
    algorithms.push({ kdfId: view.getUint16(at), aeadId: view.getUint16(at + 2) });
  return { keyId: encoded[0] as number, kemId, publicKey, algorithms, encoded };
}

/**
 * The checks on a public key that need no provider, since not every one makes them: the X25519 share, which is the whole key
 * or its last 32 octets, is not all zero, and ML-KEM's coefficients are below its modulus (FIPS 203 section 7.2).
 */
function isPublicKey(kemId: number, publicKey: Bytes): boolean {
  if (publicKey.subarray(-32).every((octet) => octet === 0)) return false;
  if (kemId !== KEM_ID.mlkem768X25519) return true;
  for (let at = 0; at < MLKEM768_COEFFICIENT_OCTETS; at += 3) {
    // Two 12-bit coefficients in three octets, little-endian (FIPS 203 algorithm 5).
    const packed =
      (publicKey[at] as number) |
      ((publicKey[at + 1] as number) << 8) |
      ((publicKey[at + 2] as number) << 16);
    if ((packed & 0xfff) >= MLKEM_Q || packed >> 12 >= MLKEM_Q) return false;
  }
  return true;
}

/** The list, each configuration with its u16 length prefix. */
export function encodeKeyConfigList(configs: readonly KeyConfig[]): Bytes {
  const parts: Bytes[] = [];
  for (const { encoded } of configs) {
    const prefix = new Uint8Array(2);
    new DataView(prefix.buffer).setUint16(0, encoded.length);
    parts.push(prefix, encoded);
  }
  return concat(...parts);
}

/**
 * The best configuration and suite of a list by our own order, post-quantum first; the server's order breaks ties.
 * @throws SealingError `suite_unsupported` when nothing fits.
 */
export function chooseKeyConfig(
  configs: readonly KeyConfig[],
  options: { readonly requirePostQuantum: boolean },
): { config: KeyConfig; suite: Suite } {
  for (const suite of SUITES) {
    if (options.requirePostQuantum && !isPostQuantum(suite)) continue;
    const config = configs.find((candidate) => offersSuite(candidate, suite));
    if (config !== undefined) return { config, suite };
  }
  throw new SealingError('suite_unsupported');
}

/** Whether a configuration offers a suite. */
export function offersSuite(config: KeyConfig, suite: Suite): boolean {
  return (
    config.kemId === suite.kemId &&
    config.algorithms.some(({ kdfId, aeadId }) => kdfId === suite.kdfId && aeadId === suite.aeadId)
  );
}
