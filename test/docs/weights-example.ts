// The worked example of docs/weights.md, computed; run as a program it prints the block that stands there.

import * as nodeCrypto from 'node:crypto';
import { deriveDataKey, formatWeightKey, weightKeyId } from '../../shared/weights/weight-key.ts';
import { chunkNonce, HEADER_OCTETS, parseHeader } from '../../shared/weights/weights-header.ts';
import { seal } from '../shared/weights/in-memory.ts';

const CHUNK = 4096;
const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');

/** The lines of the block. */
export async function weightsExample(): Promise<string> {
  const key = Uint8Array.from({ length: 32 }, (_, index) => index);
  const plaintext = Uint8Array.from({ length: 5000 }, (_, index) => index % 251);
  // Salt and nonce prefix: random in every other file.
  const random = (octets: number) => new Uint8Array(octets).fill(octets === 32 ? 0x5a : 0xa5);
  const file = await seal(plaintext, key, { chunkOctets: CHUNK, random });
  const header = parseHeader(file.subarray(0, HEADER_OCTETS));
  const second = HEADER_OCTETS + CHUNK + 16;
  const lines: [string, string][] = [
    ['weight key', formatWeightKey(key).trim()],
    ['key id', hex(await weightKeyId(key))],
    ['plaintext', '5000 octets, octet i is i mod 251; chunks of 4096'],
    ['sha256', hex(header.plaintextSha256)],
    ['salt', '32 times 5a'],
    ['nonce prefix', '7 times a5'],
    ...[0, 32, 64, 96].map((at): [string, string] => [
      at === 0 ? 'header' : '',
      hex(file.subarray(at, Math.min(at + 32, HEADER_OCTETS))),
    ]),
    ['data key', hex(await deriveDataKey(key, header.salt))],
    ['nonce 0', hex(chunkNonce(header, 0, false))],
    ['chunk 0', `${hex(file.subarray(HEADER_OCTETS, HEADER_OCTETS + 16))} … (4096 octets)`],
    ['tag 0', hex(file.subarray(second - 16, second))],
    ['nonce 1', hex(chunkNonce(header, 1, true))],
    ['chunk 1', `${hex(file.subarray(second, second + 16))} … (904 octets)`],
    ['tag 1', hex(file.subarray(-16))],
    ['file', `${file.length} octets, sha256 ${nodeCrypto.createHash('sha256').update(file).digest('hex')}`],
  ];
  return lines.map(([name, value]) => `${name.padEnd(14)}${value}`).join('\n');
}

if (process.argv[1] === import.meta.filename) process.stdout.write(`${await weightsExample()}\n`);
