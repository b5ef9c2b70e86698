// Every target: its longest input, and words of its format that chance would not find.

import { fromHex } from '../../shared/bytes/hex.ts';
import { toUtf8 } from '../../shared/bytes/utf8.ts';

export interface TargetEntry {
  readonly name: string;
  readonly maxOctets: number;
  readonly words: readonly Uint8Array[];
  /** Files of the vectors folder to start from, where it is present. */
  readonly vectors?: readonly string[];
}

const hex = (...words: readonly string[]) => words.map((word) => fromHex(word.replaceAll(' ', '')));
const text = (...words: readonly string[]) => words.map((word) => toUtf8(word));

// A delivery octet, then key id, KEM, KDF, AEAD and an X25519 share that is not zero; a final and a non-final chunk.
const REQUEST_HEAD = `00 01 0020 0001 0001 ${'09'.repeat(32)}`;
const EMPTY_FINAL = `00 ${'01'.repeat(16)}`;
const ONE_OCTET_CHUNK = `11 41 ${'01'.repeat(16)}`;
const X25519_CONFIG = `0029 01 0020 ${'09'.repeat(32)} 0004 0001 0001`;

export const TARGETS: readonly TargetEntry[] = [
  { name: 'varint', maxOctets: 16, words: hex('ffffffffffffffff', 'c000000000000000') },
  {
    name: 'key-list',
    maxOctets: 1400,
    words: [...hex(X25519_CONFIG, '647a', '0020', '00010001', '00010002'), new Uint8Array(1216).fill(1)],
  },
  {
    name: 'bhttp-request',
    maxOctets: 400,
    words: [...hex('03474554', '056874747073', '012f', '0000'), ...text('host', 'te', 'GET', 'https')],
  },
  {
    name: 'bhttp-response',
    maxOctets: 400,
    words: [...hex('40c8', '4066', '4064', '4065', '414d', '0140c8', '0340c8'), ...text('te', 'date')],
  },
  { name: 'chunked-request', maxOctets: 450, words: hex(REQUEST_HEAD, EMPTY_FINAL, ONE_OCTET_CHUNK, '8000') },
  {
    name: 'chunked-response',
    maxOctets: 450,
    words: hex(`00 ${'05'.repeat(16)}`, EMPTY_FINAL, ONE_OCTET_CHUNK, '4011', '80004010', '80004011'),
  },
  {
    name: 'snp-report',
    maxOctets: 1200,
    words: hex('00000001', '02000000', '03000000', '05000000', '19', '1a'),
    vectors: ['snp'],
  },
  {
    name: 'certificate',
    maxOctets: 3000,
    words: hex('3082', '0201', '0c', '0603550403', '2b06010401', '170d', '0500', 'a003020102', '0101ff'),
    vectors: ['snp', 'roots'],
  },
  {
    name: 'crl',
    maxOctets: 3000,
    words: hex('3082', '170d', '180f', '0603551d14', '0500'),
    vectors: ['snp'],
  },
  {
    name: 'bundle',
    maxOctets: 4000,
    words: text(
      '{"',
      '":',
      '","',
      '[]',
      '{}',
      'version',
      'cloister bundle v1',
      'manifest',
      'node',
      'result',
      '\\u00',
    ),
  },
  {
    name: 'statement',
    maxOctets: 2000,
    words: text('{"', '":', 'core', 'freshness', 'epoch', 'nonces', '[]'),
  },
  {
    name: 'manifest',
    maxOctets: 4500,
    words: text('{"', '":', 'owners', 'threshold', 'previous', 'signatures', 'release', '[]', 'any', 'none'),
  },
  { name: 'tdx-quote', maxOctets: 6000, words: hex('0400', '0500', '81000000', '0600'), vectors: ['tdx'] },
];
