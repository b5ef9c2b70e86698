// Gets what vendors publish, over HTTPS, from named origins only; keeps it by its own validity, so that a vendor's outage hurts nobody.

import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import type { CollateralCache, Kept } from './collateral-cache.ts';

/** One document of a vendor's. */
export interface CollateralOrder {
  readonly url: string;
  /** Octets; a longer answer is refused while it arrives. */
  readonly maximumBytes: number;
  /** Response headers to keep beside the body, lower-case. */
  readonly headers?: readonly string[];
  /** Until when the vendor stands by it. Throws when it is not what was ordered: then it is not kept. */
  readonly validUntil: (served: Served) => Date;
  /** Asked for again at this age, although it is still valid: a list of yesterday does not know today's revocations. */
  readonly refreshSeconds: number;
}

/** What a vendor served. */
export interface Served {
  readonly body: Bytes;
  readonly headers: Readonly<Record<string, string>>;
}

/** Nothing valid is at hand and the vendor gives nothing. */
export class CollateralUnavailableError extends Error {
  override readonly name = 'CollateralUnavailableError';
  readonly code = 'collateral_unavailable';
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  constructor(url: string, status: number, options?: ErrorOptions) {
    // Paths of vendors hold chip ids, which are no secret, but nothing that a log needs.
    super(`${new URL(url).host} gives no collateral (status ${status})`, options);
    this.status = status;
  }
}

/** What the fetcher takes from its surroundings. */
export interface FetcherParts {
  /** Origins that may be asked, such as `https://kdsintf.amd.com`. */
  readonly origins: readonly string[];
  readonly cache: CollateralCache;
  readonly fetch: typeof fetch;
  readonly now: () => Date;
  readonly sleep: (milliseconds: number) => Promise<void>;
}

/** Renewed when this share of the validity is left, or a day, whichever is less. */
const MARGIN_SHARE = 1 / 10;
const MARGIN_SECONDS = 86_400;
const ATTEMPTS = 4;
const FIRST_WAIT_SECONDS = 1;
/** A vendor that asks for longer is left alone for that long, and whoever waits is told. */
const LONGEST_WAIT_SECONDS = 30;
/** After the last attempt an origin is not asked again for this long, or for as long as it said. */
const PENALTY_SECONDS = 60;
const LONGEST_PENALTY_SECONDS = 3600;
const CALL_MILLISECONDS = 20_000;

/** One per process. */
export class CollateralFetcher {
  readonly #parts: FetcherParts;
  readonly #inFlight = new Map<string, Promise<Served>>();
  /** Origin → when it may be asked again, in milliseconds since the epoch. */
  readonly #restUntil = new Map<string, number>();

  /** @throws RangeError for an origin that is neither https nor loopback. */
  constructor(parts: FetcherParts) {
    for (const origin of parts.origins) checkOrigin(origin);
    this.#parts = parts;
  }

  /**
   * The document: from the cache while it is young, else from the vendor, else from the cache while it is valid. Calls for one
   * document meanwhile share one request.
   * @throws CollateralUnavailableError; RangeError for an address that is not on the list.
   */
  async get(order: CollateralOrder): Promise<Served> {
    if (!this.#parts.origins.includes(new URL(order.url).origin))
      throw new RangeError('the address is not on the list of vendors');
    const kept = await this.#parts.cache.read(order.url);
    const now = this.#parts.now().getTime();
    if (kept && now < refreshTime(kept, order.refreshSeconds)) return kept;
    try {
      return await this.#fetchOnce(order);
    } catch (error) {
      if (!(error instanceof CollateralUnavailableError)) throw error;
      if (kept && now < kept.validUntil.getTime()) return kept;
      throw error;
    }
  }

  #fetchOnce(order: CollateralOrder): Promise<Served> {
    let fetching = this.#inFlight.get(order.url);
    if (fetching === undefined) {
      fetching = this.#fetch(order).finally(() => this.#inFlight.delete(order.url));
      this.#inFlight.set(order.url, fetching);
    }
    return fetching;
  }

  async #fetch(order: CollateralOrder): Promise<Served> {
    const { now, sleep, cache } = this.#parts;
    const { origin } = new URL(order.url);
    if (now().getTime() < (this.#restUntil.get(origin) ?? 0))
      throw new CollateralUnavailableError(order.url, 0);
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#ask(order);
      if (answer.served) {
        const fetchedAt = now();
        const validUntil = validate(order, answer.served);
        // An answer that has ended already is no better than none, and would be asked for again at once.
        if (validUntil > fetchedAt) {
          await cache.write(order.url, { ...answer.served, fetchedAt, validUntil });
          return answer.served;
        }
        throw new CollateralUnavailableError(order.url, answer.status);
      }
      const wait = answer.retryAfter ?? FIRST_WAIT_SECONDS * 2 ** (attempt - 1);
      if (!answer.isPassing || attempt === ATTEMPTS || wait > LONGEST_WAIT_SECONDS) {
        const rest = Math.min(Math.max(answer.retryAfter ?? 0, PENALTY_SECONDS), LONGEST_PENALTY_SECONDS);
        if (answer.isPassing) this.#restUntil.set(origin, now().getTime() + rest * 1000);
        throw new CollateralUnavailableError(order.url, answer.status);
      }
      await sleep(wait * 1000);
    }
  }

  async #ask(order: CollateralOrder): Promise<Answer> {
    let response: Response;
    try {
      response = await this.#parts.fetch(order.url, {
        // A vendor's address that sends elsewhere is not the vendor's any more.
        redirect: 'manual',
        headers: { accept: '*/*' },
        signal: AbortSignal.timeout(CALL_MILLISECONDS),
      });
      if (response.status === 200) {
        const body = await readWithin(response, order.maximumBytes);
        if (body === undefined) return { status: 200, isPassing: false };
        const headers: Record<string, string> = {};
        for (const name of order.headers ?? []) {
          const value = response.headers.get(name);
          if (value !== null) headers[name] = value;
        }
        return { status: 200, isPassing: false, served: { body, headers } };
      }
    } catch {
      return { status: 0, isPassing: true };
    }
    await response.body?.cancel().catch(() => undefined);
    const { status } = response;
    const isPassing = status === 429 || status >= 500;
    const retryAfter = isPassing
      ? readRetryAfter(response.headers.get('retry-after'), this.#parts.now())
      : undefined;
    return { status, isPassing, ...(retryAfter === undefined ? {} : { retryAfter }) };
  }
}

interface Answer {
  readonly status: number;
  /** Whether asking again can help. */
  readonly isPassing: boolean;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly served?: Served;
}

function validate(order: CollateralOrder, served: Served): Date {
  try {
    return order.validUntil(served);
  } catch (cause) {
    throw new CollateralUnavailableError(order.url, 200, { cause });
  }
}

function refreshTime({ fetchedAt, validUntil }: Kept, refreshSeconds: number): number {
  const life = validUntil.getTime() - fetchedAt.getTime();
  const margin = Math.min(life * MARGIN_SHARE, MARGIN_SECONDS * 1000);
  return Math.min(validUntil.getTime() - margin, fetchedAt.getTime() + refreshSeconds * 1000);
}

// RFC 9110 section 10.2.3: seconds, or a date.
function readRetryAfter(text: string | null, now: Date): number | undefined {
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - now.getTime()) / 1000);
}

async function readWithin(response: Response, maximumBytes: number): Promise<Bytes | undefined> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += piece.length;
    if (length > maximumBytes) return undefined;
    pieces.push(piece);
  }
  return concat(...pieces);
}

function checkOrigin(text: string): void {
  const url = new URL(text);
  const isLoopback = url.hostname === '127.0.0.1' || url.hostname === '[::1]';
  if (url.origin !== text || !(url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback)))
    throw new RangeError('a vendor’s address is an https origin');
}
