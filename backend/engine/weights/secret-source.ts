// Where the worker gets a deployment's secrets from. Today its own configuration; an attestation service that releases them is another source.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { parseWeightKey } from '../../../shared/weights/weight-key.ts';
import { WeightsLoadError } from './weights-load-error.ts';

/** Gives secrets by the names that a deployment uses. */
export interface SecretSource {
  /**
   * The weight key of this name, 32 octets; whoever asked overwrites it after use.
   * @throws WeightsLoadError `weights_key_unavailable`; WeightsError `weights_key_malformed`.
   */
  weightKey(name: string): Promise<Bytes>;
}

/** Where one secret is: a file, or a descriptor that this process inherited and nobody has read yet. */
export type SecretPlace = { readonly file: string } | { readonly fd: number };

const LONGEST_TEXT = 256;
const OTHERS = 0o077;

/**
 * Secrets from places that the operator named. A file that others may read is refused. A descriptor is read to its end and closed,
 * once: a second question for it fails.
 */
export function configuredSecrets(places: Readonly<Record<string, SecretPlace>>): SecretSource {
  return {
    async weightKey(name) {
      const place = Object.hasOwn(places, name) ? places[name] : undefined;
      if (place === undefined) throw new WeightsLoadError('weights_key_unavailable');
      const buffer = Buffer.alloc(LONGEST_TEXT);
      try {
        return parseWeightKey(buffer.toString('latin1', 0, readPlace(place, buffer)));
      } finally {
        buffer.fill(0);
      }
    },
  };
}

function readPlace(place: SecretPlace, buffer: Buffer): number {
  let descriptor: number | undefined;
  try {
    descriptor = 'fd' in place ? place.fd : openSync(place.file, 'r');
    const state = fstatSync(descriptor);
    if (state.isFile() && (state.mode & OTHERS) !== 0) throw new WeightsLoadError('weights_key_exposed');
    let filled = 0;
    for (;;) {
      const octets = readSync(descriptor, buffer, filled, buffer.length - filled, null);
      if (octets === 0) return filled;
      filled += octets;
    }
  } catch (error) {
    throw error instanceof WeightsLoadError ? error : new WeightsLoadError('weights_key_unavailable');
  } finally {
    if (descriptor !== undefined) tryToClose(descriptor);
  }
}

function tryToClose(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // it was none
  }
}
