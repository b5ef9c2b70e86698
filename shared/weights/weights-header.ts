// The header of encrypted weights: 112 octets that every chunk is bound to.

import type { Bytes } from '../bytes/concat.ts';
import { WeightsError } from './weights-error.ts';

/** What a header says. */
export interface WeightsHeader {
  /** Octets of plaintext in every chunk but the last; a power of two from 4 KiB to 16 MiB. */
  readonly chunkOctets: number;
  /** Octets of the whole plaintext; 1 to 2^53 - 1, and at most 2^32 chunks. */
  readonly plaintextOctets: number;
  /** SHA-256 of the whole plaintext, 32 octets. */
  readonly plaintextSha256: Bytes;
  /** Names the weight key without telling anything about it, 16 octets. */
  readonly keyId: Bytes;
  /** Random for every file, 32 octets: with the weight key it gives the file's own AEAD key. */
  readonly salt: Bytes;
  /** The first octets of every nonce, 7 octets. */
  readonly noncePrefix: Bytes;
}

/** Octets of an encoded header. */
export const HEADER_OCTETS = 112;
/** Octets of plaintext in a chunk, unless the caller wants others. */
export const DEFAULT_CHUNK_OCTETS = 1 << 20;
export const TAG_OCTETS = 16;

const SIZE = { sha256: 32, keyId: 16, salt: 32, noncePrefix: 7 } as const;
// As PNG does: a first octet that is no text, and line ends that a transfer in text mode would change.
const MAGIC = Uint8Array.of(0x89, 0x43, 0x4c, 0x57, 0x0d, 0x0a, 0x1a, 0x0a);
const VERSION = 1;
/** AES-256-GCM in STREAM, the file's key by HKDF-SHA256. */
const ALGORITHM = 1;
const MINIMUM_CHUNK_OCTETS = 1 << 12;
const MAXIMUM_CHUNK_OCTETS = 1 << 24;
/** The index in a nonce has 32 bits. */
const MAXIMUM_CHUNKS = 2 ** 32;

const AT = {
  version: 8,
  algorithm: 10,
  chunkOctets: 12,
  plaintextOctets: 16,
  plaintextSha256: 24,
  keyId: 56,
  salt: 72,
  noncePrefix: 104,
  reserved: 111,
} as const;

/**
 * The octets of a header.
 * @throws WeightsError `weights_length_unsupported` on a length outside its range; RangeError on any other field that no header may have.
 */
export function encodeHeader(header: WeightsHeader): Bytes {
  if (!isChunkSize(header.chunkOctets)) throw new RangeError('chunk size');
  if (!isLength(header.plaintextOctets, header.chunkOctets))
    throw new WeightsError('weights_length_unsupported');
  const octets = new Uint8Array(HEADER_OCTETS);
  const view = new DataView(octets.buffer);
  octets.set(MAGIC);
  view.setUint16(AT.version, VERSION);
  view.setUint16(AT.algorithm, ALGORITHM);
  view.setUint32(AT.chunkOctets, header.chunkOctets);
  view.setBigUint64(AT.plaintextOctets, BigInt(header.plaintextOctets));
  const fields = [
    [header.plaintextSha256, AT.plaintextSha256, SIZE.sha256],
    [header.keyId, AT.keyId, SIZE.keyId],
    [header.salt, AT.salt, SIZE.salt],
    [header.noncePrefix, AT.noncePrefix, SIZE.noncePrefix],
  ] as const;
  for (const [field, at, size] of fields) {
    if (field.length !== size) throw new RangeError('field size');
    octets.set(field, at);
  }
  return octets;
}

/**
 * Reads a header. What it accepts, `encodeHeader` would also have written.
 * @throws WeightsError `weights_truncated` on fewer than 112 octets, `weights_version_unsupported`, `weights_header_malformed`.
 */
export function parseHeader(octets: Uint8Array): WeightsHeader {
  const known = Math.min(octets.length, MAGIC.length);
  for (let i = 0; i < known; i++)
    if (octets[i] !== MAGIC[i]) throw new WeightsError('weights_header_malformed');
  if (octets.length < HEADER_OCTETS) throw new WeightsError('weights_truncated');
  if (octets.length > HEADER_OCTETS) throw new WeightsError('weights_header_malformed');
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  if (view.getUint16(AT.version) !== VERSION || view.getUint16(AT.algorithm) !== ALGORITHM)
    throw new WeightsError('weights_version_unsupported');
  const chunkOctets = view.getUint32(AT.chunkOctets);
  const plaintextOctets = Number(view.getBigUint64(AT.plaintextOctets));
  if (!isChunkSize(chunkOctets) || !isLength(plaintextOctets, chunkOctets) || octets[AT.reserved] !== 0)
    throw new WeightsError('weights_header_malformed');
  const field = (at: number, size: number): Bytes => Uint8Array.from(octets.subarray(at, at + size));
  return {
    chunkOctets,
    plaintextOctets,
    plaintextSha256: field(AT.plaintextSha256, SIZE.sha256),
    keyId: field(AT.keyId, SIZE.keyId),
    salt: field(AT.salt, SIZE.salt),
    noncePrefix: field(AT.noncePrefix, SIZE.noncePrefix),
  };
}

/** How many chunks the weights have; at least one. */
export function countChunks({ plaintextOctets, chunkOctets }: WeightsHeader): number {
  return Math.ceil(plaintextOctets / chunkOctets);
}

/** Octets of plaintext in one chunk. */
export function chunkLength(header: WeightsHeader, index: number): number {
  return Math.min(header.chunkOctets, header.plaintextOctets - index * header.chunkOctets);
}

/** Octets of the whole file. */
export function encryptedLength(header: WeightsHeader): number {
  return HEADER_OCTETS + header.plaintextOctets + countChunks(header) * TAG_OCTETS;
}

/** prefix ‖ index u32 ‖ 1 for the last chunk, else 0: 12 octets. */
export function chunkNonce({ noncePrefix }: WeightsHeader, index: number, last: boolean): Bytes {
  const nonce = new Uint8Array(12);
  nonce.set(noncePrefix);
  new DataView(nonce.buffer).setUint32(SIZE.noncePrefix, index);
  nonce[11] = last ? 1 : 0;
  return nonce;
}

function isChunkSize(octets: number): boolean {
  return (
    octets >= MINIMUM_CHUNK_OCTETS && octets <= MAXIMUM_CHUNK_OCTETS && Number.isInteger(Math.log2(octets))
  );
}

function isLength(octets: number, chunkOctets: number): boolean {
  return Number.isSafeInteger(octets) && octets >= 1 && octets <= chunkOctets * MAXIMUM_CHUNKS;
}
