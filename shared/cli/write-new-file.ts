// Writes a file that appears under its name only when it is whole, and never in place of another.

import { link, open, rename, rm, stat } from 'node:fs/promises';
import { UsageError } from './exit-code.ts';

/** Error codes of file systems that have no hard links. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/**
 * Writes the pieces to `<path>.part`, which is removed when anything fails, and gives it its name at the end.
 * @throws UsageError when `path` or its part is there already; whatever the pieces or the file system throw.
 */
export async function writeNewFile(
  path: string,
  mode: number,
  pieces: AsyncIterable<Uint8Array>,
  onWritten: (octets: number) => void,
): Promise<void> {
  await refuseExisting(path);
  const part = `${path}.part`;
  const file = await open(part, 'wx', mode).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      error.code === 'EEXIST'
        ? `${part} is there: another run writes it, or one was killed; remove it`
        : `${part} cannot be written (${error.code})`,
    );
  });
  try {
    for await (const piece of pieces) {
      for (let at = 0; at < piece.length; )
        at += (await file.write(piece, at, piece.length - at, null)).bytesWritten;
      onWritten(piece.length);
    }
    await file.sync();
    await file.close();
    await giveName(part, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(part, { force: true });
    throw error;
  }
}

/** @throws UsageError when something has this name. */
export async function refuseExisting(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined) throw new UsageError(`${path} is there already; nothing is overwritten`);
}

// A link fails where the name was taken meanwhile; a rename would replace what is there.
async function giveName(part: string, path: string): Promise<void> {
  try {
    await link(part, path);
    await rm(part);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new UsageError(`${path} is there already; nothing is overwritten`);
    if (!NO_LINKS.has(code)) throw error;
    await rename(part, path);
  }
}
