// Reads one entry of a wheel, which is a zip file, as a stream.

import type { Readable } from 'node:stream';
import { type Entry, open, type ZipFile } from 'yauzl';
import { SourceError } from './model-error.ts';

/**
 * The entry's content, decompressed while it is read.
 * @throws SourceError `refused` when the wheel is no zip file, is damaged, or has no such entry.
 */
export async function* readWheelEntry(
  wheel: string,
  name: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const zip = await openZip(wheel);
  try {
    const stream = await openEntry(zip, await findEntry(zip, name));
    try {
      yield* stream as AsyncIterable<Uint8Array>;
    } catch {
      throw damaged();
    }
  } finally {
    zip.close();
  }
}

function openZip(path: string): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    open(path, { lazyEntries: true, autoClose: false }, (error, zip) =>
      error ? reject(damaged()) : resolve(zip),
    );
  });
}

function findEntry(zip: ZipFile, name: string): Promise<Entry> {
  return new Promise((resolve, reject) => {
    zip.on('error', () => reject(damaged()));
    zip.on('end', () => reject(new SourceError('refused', `the wheel has no entry ${name}`)));
    zip.on('entry', (entry) => (entry.fileName === name ? resolve(entry) : zip.readEntry()));
    zip.readEntry();
  });
}

function openEntry(zip: ZipFile, entry: Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => (error ? reject(damaged()) : resolve(stream)));
  });
}

function damaged(): SourceError {
  return new SourceError('refused', 'the wheel is no readable zip file');
}
