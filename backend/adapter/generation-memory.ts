// One generation for each sealed idempotency key: what runs, what was answered, and what conflicts.

import { createHash } from 'node:crypto';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { toUtf8 } from '../../shared/bytes/utf8.ts';
import { INNER_HEADER } from '../../shared/wire/header-names.ts';
import { DigestTable } from './digest-table.ts';
import { headerValue, type InnerRequest } from './open-request.ts';
import { Refusal } from './refusal.ts';

const CHARGE_LABEL = toUtf8('cloister charge v1\0');
const SALT_OCTETS = 32;
/** Of the request's digest, kept beside the key's. */
const REQUEST_WORDS = 4;

/** The right to start one generation. Exactly one of `answered` and `released` should follow; the first one counts. */
export interface Claim {
  /**
   * 32 octets that name what is charged, once per session, key and body: SHA-256("cloister charge v1" ‖ 00 ‖ SHA-256(session) ‖
   * SHA-256(key) ‖ SHA-256(body)). The same on every node, so that two receipts for one request are one charge.
   */
  readonly charge: Bytes;
  /** The engine's answer ended, whole or not: the key is spent. */
  answered(): void;
  /** Nothing of an answer came to be: the key may be used again, with any body. */
  released(): void;
}

/**
 * Remembers (session, key) → request for as long as the epoch that received it lives, and finds it from the epochs beside, so a retry
 * across a rotation is still the same. No answer is kept, only salted digests. Tables grow as they are used.
 */
export class GenerationMemory {
  readonly #tables = new Map<string, DigestTable>();
  readonly #running = new Set<string>();
  readonly #capacity: number;
  readonly #salt: Bytes;

  /** `capacity`: entries per epoch, up to 86 octets each. */
  constructor(capacity: number, random: (octets: number) => Bytes) {
    this.#capacity = capacity;
    this.#salt = random(SALT_OCTETS);
  }

  /**
   * Claims a request for `epoch` (any name of the epoch that opened it). Undefined when the request carries no session or no key: then nothing
   * is the same as it.
   * @throws Refusal `in_progress`, `already_answered`, `idempotency_conflict`; `engine_unavailable` when the memory is full.
   */
  claim(epoch: string, inner: InnerRequest): Claim | undefined {
    const session = headerValue(inner.headers, INNER_HEADER.session);
    const key = headerValue(inner.headers, INNER_HEADER.idempotencyKey);
    if (session === undefined || key === undefined) return undefined;
    const name = createHash('sha256').update(sha256(session)).update(sha256(key)).digest();
    const bodyDigest = sha256(inner.body);
    const request = this.#requestWords(inner, bodyDigest);
    const running = name.toString('base64url');

    const value = this.#enter(epoch, name);
    if (value.some((word) => word !== 0)) {
      if (!value.every((word, i) => word === request[i])) throw new Refusal('idempotency_conflict');
      throw new Refusal(this.#running.has(running) ? 'in_progress' : 'already_answered');
    }
    value.set(request);
    this.#running.add(running);
    const end = (keep: boolean): void => {
      if (!this.#running.delete(running) || keep) return;
      // The entry may have moved when its table grew, so it is looked up again; a zero request is a free key.
      this.#tables.get(epoch)?.find(name)?.fill(0);
    };
    const charge = createHash('sha256').update(CHARGE_LABEL);
    charge.update(sha256(session)).update(sha256(key)).update(bodyDigest);
    return {
      charge: new Uint8Array(charge.digest()),
      answered: () => end(true),
      released: () => end(false),
    };
  }

  /** Forgets what an epoch received; only after its keys were erased. */
  forget(epoch: string): void {
    this.#tables.delete(epoch);
  }

  /** Entries held for all epochs. */
  get size(): number {
    return [...this.#tables.values()].reduce((sum, table) => sum + table.size, 0);
  }

  #enter(epoch: string, name: Uint8Array): Uint32Array {
    for (const [other, table] of this.#tables) {
      const value = other === epoch ? undefined : table.find(name);
      if (value?.some((word) => word !== 0)) return value;
    }
    let table = this.#tables.get(epoch);
    if (table === undefined) {
      table = new DigestTable({ capacity: this.#capacity, valueWords: REQUEST_WORDS, salt: this.#salt });
      this.#tables.set(epoch, table);
    }
    const entry = table.enter(name);
    if (entry === undefined) throw new Refusal('engine_unavailable');
    return entry.value;
  }

  #requestWords(inner: InnerRequest, bodyDigest: Uint8Array): Uint32Array {
    const hash = createHash('sha256').update(this.#salt).update(`${inner.method} ${inner.path}\n`);
    const octets = hash.update(bodyDigest).digest();
    const words = new Uint32Array(REQUEST_WORDS);
    for (let i = 0; i < REQUEST_WORDS; i++) words[i] = octets.readUInt32LE(4 * i);
    // All zero means free.
    words[0] = (words[0] as number) || 1;
    return words;
  }
}

function sha256(data: string | Uint8Array): Uint8Array {
  return createHash('sha256').update(data).digest();
}
