// Writes a stream to a file only if its digest is the pinned one.

import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { toHex } from '../../../shared/bytes/hex.ts';
import { SourceError } from './model-error.ts';

/** What the file must be. */
export interface PinnedFile {
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/**
 * Streams `pieces` through SHA-256 into `<path>.part`, read-only for everyone, and renames it when length and digest are
 * right: whoever sees `path` sees the whole file. Leaves nothing behind otherwise.
 * @param onProgress octets written so far.
 * @throws SourceError `wrong_digest`; whatever the stream or the file system throws.
 */
export async function writeVerified(
  pieces: AsyncIterable<Uint8Array>,
  path: string,
  pinned: PinnedFile,
  onProgress: (done: number) => void,
): Promise<void> {
  const part = `${path}.part`;
  await rm(part, { force: true });
  const file = await open(part, 'wx', 0o444);
  try {
    const hash = createHash('sha256');
    let done = 0;
    for await (const piece of pieces) {
      done += piece.length;
      if (done > pinned.bytes)
        throw new SourceError('wrong_digest', `longer than ${pinned.bytes} octets; removed`);
      hash.update(piece);
      await file.writeFile(piece);
      onProgress(done);
    }
    const found = toHex(hash.digest());
    if (found !== pinned.sha256)
      throw new SourceError('wrong_digest', `SHA-256 is ${found}, expected ${pinned.sha256}; removed`);
    await file.sync();
    await file.close();
    await rename(part, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(part, { force: true });
    throw error;
  }
}
