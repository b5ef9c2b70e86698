// The live nodes in the isolate's memory, so that a warm request asks no Durable Object.

import type { Bytes } from '../../shared/bytes/concat.ts';
import { type ListedKey, splitKeyList } from '../../shared/wire/key-list.ts';
import { importTicketKey } from '../../shared/wire/ticket.ts';
import type { RegisteredNode } from '../directory/pool.ts';

/** A node with its keys split and digested. */
export interface Route
  extends Omit<RegisteredNode, 'keyList' | 'keyDigests' | 'otherKeyList' | 'otherKeyDigests' | 'ticketKey'> {
  /** On offer. */
  readonly keys: readonly RoutedKey[];
  /** Pending and stale: the node opens what is sealed to them, and nobody is told of them. */
  readonly otherKeys: readonly RoutedKey[];
  readonly ticketKey: CryptoKey;
}

export interface RoutedKey extends ListedKey {
  /** base64url SHA-256 of the configuration: the value of `cloister-key`. */
  readonly digest: string;
}

/** Reads all live nodes from where they are kept; `now` in Unix seconds. */
export type ReadNodes = (now: number) => Promise<RegisteredNode[]>;

/** How long a table serves before it is read again. */
const LIFE_MILLISECONDS = 3000;
/** How young a table may be and still be read again for a key that is not in it. */
const LEAST_AGE_MILLISECONDS = 250;

/**
 * A table of routes with a short life. It keeps values only: a promise at module scope would tie every request to the one that
 * began it, and poison the table for good when that one's client leaves. Concurrent misses read concurrently instead.
 */
export class RouteTable {
  #routes: readonly Route[] = [];
  #readAt = Number.NEGATIVE_INFINITY;

  /** Live routes, oldest node first; from memory while the table is fresh. */
  async routes(read: ReadNodes, now: Date): Promise<readonly Route[]> {
    if (now.getTime() - this.#readAt >= LIFE_MILLISECONDS) await this.#refresh(read, now);
    return this.#live(now);
  }

  /** The first that `find` finds; when it finds none, the table is read again once, unless it was read just now. */
  async find<T>(
    read: ReadNodes,
    now: Date,
    find: (routes: readonly Route[]) => T | undefined,
  ): Promise<T | undefined> {
    const found = find(await this.routes(read, now));
    if (found !== undefined || now.getTime() - this.#readAt < LEAST_AGE_MILLISECONDS) return found;
    await this.#refresh(read, now);
    return find(this.#live(now));
  }

  /** Makes the next request read again: a registration went through this isolate. */
  forget(): void {
    this.#readAt = Number.NEGATIVE_INFINITY;
  }

  async #refresh(read: ReadNodes, now: Date): Promise<void> {
    const nodes = await read(now.getTime() / 1000);
    const routes = await Promise.all(nodes.map(toRoute));
    this.#routes = routes;
    this.#readAt = now.getTime();
  }

  #live(now: Date): readonly Route[] {
    return this.#routes.filter((route) => route.expires * 1000 > now.getTime());
  }
}

async function toRoute(node: RegisteredNode): Promise<Route> {
  const { keyList, keyDigests, otherKeyList, otherKeyDigests, ticketKey, ...rest } = node;
  return {
    ...rest,
    keys: routedKeys(keyList, keyDigests),
    otherKeys: otherKeyList.length === 0 ? [] : routedKeys(otherKeyList, otherKeyDigests),
    ticketKey: await importTicketKey(ticketKey as Bytes),
  };
}

function routedKeys(list: Uint8Array, digests: readonly string[]): RoutedKey[] {
  return splitKeyList(list).map((key, index) => ({ ...key, digest: digests[index] ?? '' }));
}
