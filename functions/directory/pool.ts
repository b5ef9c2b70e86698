// The registered nodes, in one SQLite-backed Durable Object: the only store of the edge.

import { DurableObject } from 'cloudflare:workers';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { LIMIT } from '../../shared/wire/limits.ts';
import type { VerifiedRegistration } from './verify-registration.ts';

/** A node as the relay and the directory need it; the bundle's octets are read apart. */
export interface RegisteredNode {
  readonly node: string;
  readonly address: string;
  readonly pool: string;
  readonly models: readonly string[];
  readonly keyList: Uint8Array;
  /** base64url SHA-256 of each configuration, in the list's order. */
  readonly keyDigests: readonly string[];
  /** Keys that are routed and not offered, in the same form; the list may be empty. */
  readonly otherKeyList: Uint8Array;
  readonly otherKeyDigests: readonly string[];
  readonly ticketKey: Uint8Array;
  readonly bundleDigest: string;
  /** Unix seconds of the first registration in this unbroken series. */
  readonly since: number;
  /** Unix seconds. */
  readonly expires: number;
}

/** What a node gets for its registration, or why not. */
export type RegisterOutcome =
  | { readonly outcome: 'registered'; readonly ticketKey: Uint8Array; readonly expires: number }
  | { readonly outcome: 'replayed' };

// One entry per version of the schema. Entries are never edited; a change is a new entry.
const SCHEMA_STEPS: readonly string[] = [
  `CREATE TABLE node (
     id TEXT PRIMARY KEY, address TEXT NOT NULL, pool TEXT NOT NULL, models TEXT NOT NULL,
     key_list BLOB NOT NULL, key_digests TEXT NOT NULL, ticket_key BLOB NOT NULL,
     bundle BLOB NOT NULL, bundle_digest TEXT NOT NULL, since INTEGER NOT NULL, expires INTEGER NOT NULL);
   CREATE TABLE last_registration (id TEXT PRIMARY KEY, issued REAL NOT NULL, signed_until REAL NOT NULL);`,
  `ALTER TABLE node ADD COLUMN other_key_list BLOB NOT NULL DEFAULT x'';
   ALTER TABLE node ADD COLUMN other_key_digests TEXT NOT NULL DEFAULT '[]';`,
  `CREATE TABLE blob (digest TEXT PRIMARY KEY, octets BLOB NOT NULL, until INTEGER NOT NULL);`,
];

/** A bundle that a cache still holds may be read after its node has gone. */
const BLOB_GRACE_SECONDS = 600;

/** All nodes of one edge. Times are Unix seconds and come from the caller. */
export class Pool extends DurableObject<unknown> {
  readonly #sql: SqlStorage;

  constructor(state: DurableObjectState, env: unknown) {
    super(state, env);
    this.#sql = state.storage.sql;
    state.storage.transactionSync(() => this.#migrate());
  }

  /**
   * Takes a registration that was verified. The ticket key of an unbroken series of registrations stays, so that requests
   * on their way keep their ticket; `freshTicketKey` is taken for a new one.
   */
  register(registration: VerifiedRegistration, freshTicketKey: Bytes, now: number): RegisterOutcome {
    return this.ctx.storage.transactionSync(() => {
      this.#forgetExpired(now);
      if (registration.issued <= this.#lastIssued(registration.node)) return { outcome: 'replayed' };
      this.#remember(registration);

      const known = this.#sql
        .exec<{ ticket_key: ArrayBuffer; since: number }>(
          'SELECT ticket_key, since FROM node WHERE id = ?',
          registration.node,
        )
        .toArray()[0];
      const ticketKey = known === undefined ? freshTicketKey : new Uint8Array(known.ticket_key);
      const expires = Math.floor(Math.min(now + LIMIT.registrationLifeSeconds, registration.affirmedUntil));
      this.#sql.exec(
        'INSERT OR REPLACE INTO node VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        registration.node,
        registration.address,
        registration.pool,
        JSON.stringify(registration.models),
        registration.keyList.slice().buffer,
        JSON.stringify(registration.keyDigests),
        ticketKey.slice().buffer,
        registration.bundle.slice().buffer,
        registration.bundleDigest,
        known?.since ?? Math.floor(now),
        expires,
        registration.otherKeyList.slice().buffer,
        JSON.stringify(registration.otherKeyDigests),
      );
      for (const { digest, octets } of registration.blobs) this.#keepBlob(digest, octets, expires);
      return { outcome: 'registered', ticketKey, expires };
    });
  }

  /** Takes a node out. A removal may reuse the newest registration, but none that is older. */
  remove(registration: VerifiedRegistration, now: number): 'removed' | 'replayed' {
    return this.ctx.storage.transactionSync(() => {
      this.#forgetExpired(now);
      if (registration.issued < this.#lastIssued(registration.node)) return 'replayed';
      this.#remember(registration);
      this.#sql.exec('DELETE FROM node WHERE id = ?', registration.node);
      return 'removed';
    });
  }

  /** Every live node, oldest first, which is the order in which key ids are resolved. */
  list(now: number): RegisteredNode[] {
    return this.#sql
      .exec<NodeRow>(
        `SELECT id, address, pool, models, key_list, key_digests, other_key_list, other_key_digests, ticket_key,
           bundle_digest, since, expires
         FROM node WHERE expires > ? ORDER BY since, id`,
        now,
      )
      .toArray()
      .map((row) => ({
        node: row.id,
        address: row.address,
        pool: row.pool,
        models: JSON.parse(row.models) as string[],
        keyList: new Uint8Array(row.key_list),
        keyDigests: JSON.parse(row.key_digests) as string[],
        otherKeyList: new Uint8Array(row.other_key_list),
        otherKeyDigests: JSON.parse(row.other_key_digests) as string[],
        ticketKey: new Uint8Array(row.ticket_key),
        bundleDigest: row.bundle_digest,
        since: row.since,
        expires: row.expires,
      }));
  }

  /** The octets of a live node's bundle with their digest, or undefined. */
  bundle(
    node: string,
    now: number,
  ): { readonly octets: Uint8Array; readonly digest: string; readonly expires: number } | undefined {
    const row = this.#sql
      .exec<{ bundle: ArrayBuffer; bundle_digest: string; expires: number }>(
        'SELECT bundle, bundle_digest, expires FROM node WHERE id = ? AND expires > ?',
        node,
        now,
      )
      .toArray()[0];
    return row && { octets: new Uint8Array(row.bundle), digest: row.bundle_digest, expires: row.expires };
  }

  /** The octets of a blob, or undefined. */
  blob(digest: string, now: number): Uint8Array | undefined {
    const row = this.#sql
      .exec<{ octets: ArrayBuffer }>('SELECT octets FROM blob WHERE digest = ? AND until > ?', digest, now)
      .toArray()[0];
    return row && new Uint8Array(row.octets);
  }

  // Octets of a digest never change: what is here is only kept for longer.
  #keepBlob(digest: string, octets: Uint8Array, expires: number): void {
    this.#sql.exec(
      'INSERT INTO blob VALUES (?, ?, ?) ON CONFLICT (digest) DO UPDATE SET until = max(until, excluded.until)',
      digest,
      octets.slice().buffer,
      expires + BLOB_GRACE_SECONDS,
    );
  }

  #lastIssued(node: string): number {
    const row = this.#sql
      .exec<{ issued: number }>('SELECT issued FROM last_registration WHERE id = ?', node)
      .toArray()[0];
    return row?.issued ?? Number.NEGATIVE_INFINITY;
  }

  #remember(registration: VerifiedRegistration): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO last_registration VALUES (?, ?, ?)',
      registration.node,
      registration.issued,
      registration.signedUntil,
    );
  }

  /** A registration past its own expiry is refused for that, so its memory can go; the tolerance is kept on top. */
  #forgetExpired(now: number): void {
    this.#sql.exec('DELETE FROM node WHERE expires <= ?', now);
    this.#sql.exec('DELETE FROM blob WHERE until <= ?', now);
    this.#sql.exec('DELETE FROM last_registration WHERE signed_until <= ?', now - 60);
  }

  #migrate(): void {
    this.#sql.exec('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)');
    const version = this.#sql.exec<{ version: number }>('SELECT version FROM schema_version').toArray()[0];
    const done = version?.version ?? 0;
    for (const step of SCHEMA_STEPS.slice(done)) this.#sql.exec(step);
    this.#sql.exec('DELETE FROM schema_version');
    this.#sql.exec('INSERT INTO schema_version VALUES (?)', Math.max(done, SCHEMA_STEPS.length));
  }
}

interface NodeRow extends Record<string, SqlStorageValue> {
  id: string;
  address: string;
  pool: string;
  models: string;
  key_list: ArrayBuffer;
  key_digests: string;
  other_key_list: ArrayBuffer;
  other_key_digests: string;
  ticket_key: ArrayBuffer;
  bundle_digest: string;
  since: number;
  expires: number;
}
