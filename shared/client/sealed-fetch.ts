// One request, sealed to a verified node and answered: what `cloister.fetch` does after verification.

import { toBase64url } from '../bytes/base64url.ts';
import { encodeBhttpRequest } from '../sealing/bhttp-request.ts';
import { decodeBhttpResponse } from '../sealing/bhttp-response.ts';
import { MESSAGE_BUCKETS, padMessage } from '../sealing/length-buckets.ts';
import type { SealingProvider } from '../sealing/provider.ts';
import { sealRequest } from '../sealing/seal-request.ts';
import { SealingError } from '../sealing/sealing-error.ts';
import { INNER_HEADER, OUTER_HEADER } from '../wire/header-names.ts';
import { LIMIT } from '../wire/limits.ts';
import { MEDIA_TYPE } from '../wire/media-types.ts';
import { GATEWAY_PATH } from '../wire/routes.ts';
import { CloisterError, StreamTruncatedError } from './cloister-error.ts';
import { readUnsealedError } from './unsealed-error.ts';
import type { VerifiedNode } from './verified-session.ts';

/** The inner authority: a name that resolves nowhere, so that a mistake can reach nobody (RFC 6761). */
const INNER_AUTHORITY = 'engine.invalid';
/** What of the caller's headers goes inside the seal; SDKs add platform headers that are nobody's business. */
const INNER_HEADERS_PASSED = ['content-type', 'accept', 'anthropic-version', 'anthropic-beta'];
/** RFC 9110 section 15.5.20: the request reached someone who will not answer for it. */
const MISDIRECTED = 421;
const CONFLICT = 409;
/** Unsealed: nothing was started. */
const NOT_STARTED = new Set([MISDIRECTED, 503]);
/** Unsealed: nobody knows. A conflict is `replay_detected`: another copy of these very octets arrived first. */
const NOBODY_KNOWS = new Set([CONFLICT, 502, 504]);
const NULL_BODY_STATUSES = new Set([204, 205, 304]);

/** The request as the caller made it, with its body read. */
export interface PlainRequest {
  readonly method: string;
  /** Path and query inside the seal. */
  readonly path: string;
  readonly headers: Headers;
  /** Goes inside the seal, the same for every attempt at this request. */
  readonly idempotencyKey: string;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

/** What sealing and sending need. */
export interface SealedFetchOptions {
  readonly origin: string;
  readonly apiKey: string;
  /** 32 octets that this client keeps for its session. */
  readonly session: Uint8Array;
  readonly fetchEdge: typeof fetch;
  readonly now: () => Date;
  readonly provider: SealingProvider;
  readonly sdk: string;
  /** False leaves requests as long as they are; otherwise they are padded to MESSAGE_BUCKETS. */
  readonly hideLength?: boolean;
}

/** What became of one attempt. */
export type Outcome =
  /** The node's own answer, or an unsealed error that no retry of ours can better. */
  | { readonly kind: 'answered'; readonly response: Response }
  /** Unsealed 421 or 503. An edge that lies here can have a request run twice; it could as well by dropping an answer. */
  | { readonly kind: 'not_started'; readonly response: Response }
  /** Sealed: the node has another core than the one that was verified, and started nothing. */
  | { readonly kind: 'mismatch'; readonly response: Response }
  /** Sealed: an earlier attempt under the same idempotency key runs on this node. */
  | { readonly kind: 'in_progress'; readonly response: Response; readonly retryAfterMilliseconds: number }
  /** No octet of an answer came, and nobody knows whether the node began. `end` gives the last word on it: a response, or a throw. */
  | { readonly kind: 'unknown'; readonly end: () => Response };

/**
 * Seals `request` to `node` and sends it through the edge, once.
 * @throws CloisterError `unsealed_response`, `response_corrupted`; StreamTruncatedError when the answer ended between its first octet and its
 *   head; the signal's reason. After the head, the same errors come out of the response's body.
 */
export async function sealedFetch(
  request: PlainRequest,
  node: VerifiedNode,
  options: SealedFetchOptions,
): Promise<Outcome> {
  const message = encodeBhttpRequest({
    method: request.method,
    scheme: 'https',
    authority: INNER_AUTHORITY,
    path: request.path,
    headers: innerHeaders(request, node, options),
    body: request.body,
  });
  const plaintext = options.hideLength === false ? message : padMessage(message, MESSAGE_BUCKETS);
  const exchange = await sealRequest({
    config: node.config,
    suite: node.suite,
    plaintext,
    provider: options.provider,
  });
  let response: Response;
  try {
    response = await send(exchange.body, exchange.contentType, request, node, options);
  } catch (error) {
    if (request.signal.aborted) throw error;
    return { kind: 'unknown', end: () => fail(error) };
  }
  const type = response.headers.get('content-type')?.toLowerCase();
  if (type !== MEDIA_TYPE.chunkedResponse || response.status !== 200 || response.body === null)
    return readUnsealed(response);
  const body = watch(response.body, request.signal);
  try {
    const inner = await decodeBhttpResponse(exchange.openResponse(body.stream), {
      maxHeaderBytes: LIMIT.innerHeaderBytes,
    });
    const content = NULL_BODY_STATUSES.has(inner.status)
      ? null
      : withClientErrors(inner.body, request.signal);
    const headers = inner.headers.map(([name, value]): [string, string] => [name, value]);
    return readSealed(new Response(content, { status: inner.status, headers }));
  } catch (error) {
    const failure = clientError(error, request.signal);
    if (failure instanceof StreamTruncatedError && !body.any)
      return { kind: 'unknown', end: () => fail(failure) };
    throw failure;
  }
}

async function readUnsealed(response: Response): Promise<Outcome> {
  const { status } = response;
  const unsealed = await readUnsealedError(response);
  if (NOT_STARTED.has(status)) return { kind: 'not_started', response: unsealed };
  if (!NOBODY_KNOWS.has(status)) return { kind: 'answered', response: unsealed };
  // The retries that were safe are over when this is handed out.
  unsealed.headers.set('x-should-retry', 'false');
  return { kind: 'unknown', end: () => unsealed };
}

// Sealed, so it is the node's own word; and these headers are its adapter's, since none of the engine's but the body's type passes.
function readSealed(response: Response): Outcome {
  if (response.status === MISDIRECTED) return { kind: 'mismatch', response };
  const again = response.headers.get('x-should-retry') === 'true';
  if (response.status !== CONFLICT || !again) return { kind: 'answered', response };
  const retryAfterMilliseconds = Number(response.headers.get('retry-after-ms') ?? 1000);
  return { kind: 'in_progress', response, retryAfterMilliseconds };
}

function fail(error: unknown): never {
  throw error;
}

// Watches the sealed body: whether any of it came, and the caller's signal, whatever the fetch below makes of that.
function watch(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): { readonly stream: ReadableStream<Uint8Array>; readonly any: boolean } {
  let any = false;
  const reader = body.getReader();
  let abort = (): void => {};
  const stream = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        abort = () => {
          controller.error(signal.reason);
          reader.cancel(signal.reason).catch(() => {});
        };
        signal.addEventListener('abort', abort, { once: true });
        if (signal.aborted) abort();
      },
      async pull(controller) {
        const { done, value } = await reader.read();
        if (signal.aborted) return;
        if (done) {
          signal.removeEventListener('abort', abort);
          controller.close();
        } else {
          any ||= value.length > 0;
          controller.enqueue(value);
        }
      },
      cancel(reason) {
        signal.removeEventListener('abort', abort);
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return {
    stream,
    get any() {
      return any;
    },
  };
}

function innerHeaders(
  request: PlainRequest,
  node: VerifiedNode,
  options: SealedFetchOptions,
): [string, string][] {
  const headers: [string, string][] = [];
  for (const name of INNER_HEADERS_PASSED) {
    const value = request.headers.get(name);
    if (value !== null) headers.push([name, value]);
  }
  headers.push(
    [INNER_HEADER.idempotencyKey, request.idempotencyKey],
    [INNER_HEADER.date, options.now().toUTCString()],
    [INNER_HEADER.attestation, node.key.coreDigest],
    [INNER_HEADER.session, toBase64url(options.session)],
    [INNER_HEADER.sdk, options.sdk],
  );
  return headers;
}

async function send(
  sealed: ReadableStream<Uint8Array>,
  contentType: string,
  request: PlainRequest,
  node: VerifiedNode,
  options: SealedFetchOptions,
): Promise<Response> {
  // Sent whole: prompts are small, and browsers stream request bodies over HTTP/2 only.
  const body = await new Response(sealed as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer();
  try {
    return await options.fetchEdge(`${options.origin}${GATEWAY_PATH}`, {
      method: 'POST',
      headers: {
        [OUTER_HEADER.authorization]: `Bearer ${options.apiKey}`,
        'content-type': contentType,
        [OUTER_HEADER.key]: node.route,
        [OUTER_HEADER.incremental]: '?1',
      },
      body,
      // A redirect is no sealed answer and is refused below. Not `error`: with it, Node's fetch fails on every 421, because
      // it sends such a request again by itself (Fetch standard) and has then given its body away (measured, undici 7.29).
      redirect: 'manual',
      signal: request.signal,
    });
  } catch (cause) {
    if (request.signal.aborted) throw cause;
    throw new CloisterError(
      'edge_unreachable',
      'The edge does not answer. Whether the request arrived is not known.',
      { cause },
    );
  }
}

// The body's errors are turned into the client's own, so that a caller sees StreamTruncatedError and not a transport's words.
function withClientErrors(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value as Uint8Array<ArrayBuffer>);
      } catch (error) {
        controller.error(clientError(error, signal));
      }
    },
    cancel(reason) {
      return reader.cancel(reason);
    },
  });
}

const TRUNCATION_CODES: ReadonlySet<string> = new Set(['response_truncated', 'bhttp_truncated']);

function clientError(error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted || (error as { name?: string } | null)?.name === 'AbortError') return error;
  if (error instanceof SealingError && !TRUNCATION_CODES.has(error.code))
    return new CloisterError('response_corrupted', 'The answer was altered on the way and was refused.', {
      cause: error,
    });
  // Behind an edge a lost connection and a clean end say the same: the proof of the end never came.
  return new StreamTruncatedError({ cause: error });
}
