// Brings encrypted weights into memory: checked against the deployment, decrypted, verified whole, and only then there under their name.

import * as nodeCrypto from 'node:crypto';
import { chmodSync, renameSync, statfsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../../../shared/bytes/hex.ts';
import { type OctetSource, sourceOfFile } from '../../../shared/weights/octet-source.ts';
import { openWeights, readHeader } from '../../../shared/weights/open-weights.ts';
import { WeightsError } from '../../../shared/weights/weights-error.ts';
import { encryptedLength, type WeightsHeader } from '../../../shared/weights/weights-header.ts';
import { type MemoryFolder, makeMemoryFolder, unguessableName } from './memory-folder.ts';
import type { SecretSource } from './secret-source.ts';
import { WeightsLoadError } from './weights-load-error.ts';

/** What to load. */
export interface EncryptedWeights {
  /** The encrypted file. Nothing about it is trusted. */
  readonly path: string;
  /** What the deployment names: the plaintext. */
  readonly deployed: {
    /** Lower-case hex. */
    readonly sha256: string;
    readonly bytes: number;
  };
  /** The secret that the deployment names. */
  readonly keyName: string;
  readonly secrets: SecretSource;
  /** Octets decrypted so far. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Aborting leaves nothing behind. */
  readonly signal?: AbortSignal;
}

/** The machine, for tests that play another one. */
export interface LoadingMachine {
  /** Octets of memory that may still be used. */
  availableMemory(): number;
  makeFolder(octets: number): MemoryFolder;
}

/** Weights that lie in memory, readable and whole. */
export interface LoadedWeights {
  /** The plaintext, for as long as it is not removed. */
  readonly path: string;
  readonly folder: Pick<MemoryFolder, 'isPrivate' | 'maySwap'>;
  /** Frees the memory, once the last process that has it open is gone. */
  remove(): void;
}

/** Memory that a node needs besides the weights: its own heap, the engine's, and the engine's cache. */
const RESERVE_OCTETS = 256 * 2 ** 20;

const THIS_MACHINE: LoadingMachine = {
  // The machine's MemAvailable, or what a control group leaves of it.
  availableMemory: () => process.availableMemory(),
  makeFolder: (octets) => makeMemoryFolder(octets),
};

/**
 * Decrypts into memory. The key is asked for last, when nothing but decrypting is left to do, and overwritten right after. On any
 * refusal nothing is left.
 * @throws WeightsLoadError; WeightsError.
 */
export async function loadEncryptedWeights(
  weights: EncryptedWeights,
  machine: LoadingMachine = THIS_MACHINE,
): Promise<LoadedWeights> {
  const file = await open(weights.path).catch(() => {
    throw new WeightsLoadError('weights_missing');
  });
  try {
    const source = sourceOfFile(file);
    const header = await readHeader(source);
    if (
      toHex(header.plaintextSha256) !== weights.deployed.sha256 ||
      header.plaintextOctets !== weights.deployed.bytes
    )
      throw new WeightsLoadError('weights_not_as_deployed');
    // Decrypting would find out as well, after minutes.
    const { size } = await file.stat();
    if (size < encryptedLength(header)) throw new WeightsError('weights_truncated');
    if (size > encryptedLength(header)) throw new WeightsError('weights_trailing_octets');
    refuseShortage(header.plaintextOctets, machine.availableMemory() - RESERVE_OCTETS);
    const folder = machine.makeFolder(header.plaintextOctets);
    try {
      const { bavail, bsize } = statfsSync(folder.path);
      refuseShortage(header.plaintextOctets, bavail * bsize);
      const path = await decryptInto(folder, header, source, weights);
      return { path, folder, remove: folder.remove };
    } catch (error) {
      folder.remove();
      throw error;
    }
  } finally {
    await file.close();
  }
}

async function decryptInto(
  folder: MemoryFolder,
  header: WeightsHeader,
  source: OctetSource,
  { keyName, secrets, onProgress, signal }: EncryptedWeights,
): Promise<string> {
  const path = join(folder.path, unguessableName('.gguf'));
  const part = `${path}.part`;
  const target = await open(part, 'wx', 0o600);
  try {
    const key = await secrets.weightKey(keyName);
    let done = 0;
    try {
      for await (const piece of openWeights(header, source, key, nodeCrypto)) {
        signal?.throwIfAborted();
        await target.writeFile(piece);
        done += piece.length;
        onProgress?.(done, header.plaintextOctets);
      }
    } finally {
      key.fill(0);
    }
  } finally {
    await target.close();
  }
  // Whoever sees the name sees all of it, verified.
  chmodSync(part, folder.fileMode);
  renameSync(part, path);
  return path;
}

function refuseShortage(needed: number, available: number): void {
  if (needed <= available) return;
  const megabytes = (octets: number) => `${Math.max(0, Math.floor(octets / 1e6))} MB`;
  throw new WeightsLoadError(
    'weights_memory_short',
    `they need ${megabytes(needed)}, ${megabytes(available)} are left for them`,
  );
}
