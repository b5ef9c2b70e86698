// The owner's weight key in a file that nobody else can read.

import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import type { Bytes } from '../bytes/concat.ts';
import { formatWeightKey, parseWeightKey, WEIGHT_KEY_OCTETS } from '../weights/weight-key.ts';
import { UsageError } from './exit-code.ts';

const LONGEST_TEXT = 256;
const OTHERS = 0o077;

/**
 * Reads a key. A regular file that others may read is refused, as ssh does; a pipe (`--key <(…)`) has no such mode.
 * @throws UsageError when it cannot be read or others could; WeightsError `weights_key_malformed`.
 */
export async function readWeightKeyFile(path: string): Promise<Bytes> {
  const file = await open(path).catch(() => {
    throw new UsageError(`the key file ${path} cannot be read; --new-key makes one`);
  });
  try {
    const state = await file.stat();
    if (state.isFile() && (state.mode & OTHERS) !== 0)
      throw new UsageError(
        `others than its owner can use the key file ${path}: chmod 600 it, or make a new key`,
      );
    const buffer = Buffer.alloc(LONGEST_TEXT);
    let filled = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, null);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    const key = parseWeightKey(buffer.subarray(0, filled).toString('latin1'));
    buffer.fill(0);
    return key;
  } finally {
    await file.close();
  }
}

/** A key that was just made, in a file that did not exist before. */
export interface NewWeightKey {
  readonly key: Bytes;
  /** Removes the file again, when nothing was encrypted under the key. */
  discard(): Promise<void>;
}

/**
 * Makes a key and its file, mode 0600, on disk before anything is encrypted under it.
 * @throws UsageError when something is there already.
 */
export async function makeWeightKeyFile(path: string): Promise<NewWeightKey> {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      error.code === 'EEXIST'
        ? `${path} is there already: leave --new-key out to use it`
        : `the key file ${path} cannot be written`,
    );
  });
  try {
    const key = new Uint8Array(randomBytes(WEIGHT_KEY_OCTETS));
    await file.writeFile(formatWeightKey(key));
    await file.sync();
    return { key, discard: () => rm(path, { force: true }) };
  } finally {
    await file.close();
  }
}
