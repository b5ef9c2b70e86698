// SHA-256 of a file, without reading it into memory at once.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { toHex } from '../../../shared/bytes/hex.ts';

/**
 * Lower-case hex SHA-256 of the file's octets.
 * @throws the file system's error when it cannot be read, or the signal's reason.
 */
export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const stream = createReadStream(path, { highWaterMark: 1024 * 1024, ...(signal ? { signal } : {}) });
  for await (const piece of stream) hash.update(piece as Buffer);
  return toHex(hash.digest());
}
