// Keeps vendors' documents in memory and, where there is a folder, on disk. Everything in it is signed: it needs room, not trust.

import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import type { Served } from './collateral-fetcher.ts';

/** A document with its times. */
export interface Kept extends Served {
  readonly fetchedAt: Date;
  readonly validUntil: Date;
}

/** A fleet of a thousand chips, each with a certificate of 1.4 kB, and everybody's lists. */
const MOST_ENTRIES = 4096;

interface Stored {
  readonly url: string;
  readonly fetched_at: number;
  readonly valid_until: number;
  readonly headers: Readonly<Record<string, string>>;
  /** base64. */
  readonly body: string;
}

/** Documents by their address. `folder` is made at the first write; absent: memory only. */
export class CollateralCache {
  readonly #folder: string | undefined;
  readonly #entries = new Map<string, Kept>();

  constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  /** The document kept for an address, young or old. A file that cannot be read counts as none. */
  async read(url: string): Promise<Kept | undefined> {
    const known = this.#entries.get(url);
    if (known !== undefined || this.#folder === undefined) return known;
    const kept = await this.#load(url);
    if (kept) this.#remember(url, kept);
    return kept;
  }

  /** Keeps a document. A disk that does not take it is no reason to be without it. */
  async write(url: string, kept: Kept): Promise<void> {
    this.#remember(url, kept);
    if (this.#folder === undefined) return;
    const stored: Stored = {
      url,
      fetched_at: kept.fetchedAt.getTime(),
      valid_until: kept.validUntil.getTime(),
      headers: kept.headers,
      body: Buffer.from(kept.body).toString('base64'),
    };
    const path = join(this.#folder, nameOf(url));
    const draft = `${path}.${randomBytes(6).toString('hex')}`;
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await writeFile(draft, JSON.stringify(stored), { flag: 'wx', mode: 0o600 });
      await rename(draft, path);
    } catch {
      await rm(draft, { force: true }).catch(() => undefined);
    }
  }

  async #load(url: string): Promise<Kept | undefined> {
    try {
      const stored = JSON.parse(await readFile(join(this.#folder ?? '', nameOf(url)), 'utf8')) as Stored;
      if (stored.url !== url || typeof stored.body !== 'string' || typeof stored.headers !== 'object')
        return undefined;
      const [fetchedAt, validUntil] = [new Date(stored.fetched_at), new Date(stored.valid_until)];
      if (Number.isNaN(fetchedAt.getTime()) || Number.isNaN(validUntil.getTime())) return undefined;
      const body: Bytes = concat(Buffer.from(stored.body, 'base64'));
      return { body, headers: stored.headers, fetchedAt, validUntil };
    } catch {
      return undefined;
    }
  }

  #remember(url: string, kept: Kept): void {
    this.#entries.delete(url);
    this.#entries.set(url, kept);
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined && this.#entries.size > MOST_ENTRIES) this.#entries.delete(oldest);
  }
}

function nameOf(url: string): string {
  return `${createHash('sha256').update(url).digest('hex')}.json`;
}
