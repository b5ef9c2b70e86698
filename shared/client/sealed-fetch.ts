// One request, sealed to a verified node and answered: what `cloister.fetch` does after verification.

import { toBase64url } from '../bytes/base64url.ts';
import { encodeBhttpRequest } from '../sealing/bhttp-request.ts';
import { decodeBhttpResponse } from '../sealing/bhttp-response.ts';
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
const INNER_HEADERS_PASSED = ['content-type', 'accept', INNER_HEADER.idempotencyKey];
/** RFC 9110 section 15.5.20: the request reached someone who will not answer for it. */
const MISDIRECTED = 421;
const NULL_BODY_STATUSES = new Set([204, 205, 304]);

/** The request as the caller made it, with its body read. */
export interface PlainRequest {
  readonly method: string;
  /** Path and query inside the seal. */
  readonly path: string;
  readonly headers: Headers;
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
}

/** Either the answer, or that nothing was started and another node may be tried. */
export type SealedFetchOutcome =
  | { readonly started: true; readonly response: Response }
  | { readonly started: false; readonly response: Response };

/**
 * Seals `request` to `node` and sends it through the edge.
 * @throws CloisterError `edge_unreachable`, `unsealed_response`, `response_corrupted`; StreamTruncatedError when the answer ended
 *   before its head. After the head, the same errors come out of the response's body.
 */
export async function sealedFetch(
  request: PlainRequest,
  node: VerifiedNode,
  options: SealedFetchOptions,
): Promise<SealedFetchOutcome> {
  const plaintext = encodeBhttpRequest({
    method: request.method,
    scheme: 'https',
    authority: INNER_AUTHORITY,
    path: request.path,
    headers: innerHeaders(request, node, options),
    body: request.body,
  });
  const exchange = await sealRequest({
    config: node.config,
    suite: node.suite,
    plaintext,
    provider: options.provider,
  });
  const response = await send(exchange.body, exchange.contentType, request, node, options);
  const type = response.headers.get('content-type')?.toLowerCase();
  if (type !== MEDIA_TYPE.chunkedResponse || response.status !== 200 || response.body === null) {
    const unsealed = await readUnsealedError(response);
    const notStarted = response.status === MISDIRECTED || response.status === 503;
    return { started: !notStarted, response: unsealed };
  }
  try {
    const inner = await decodeBhttpResponse(exchange.openResponse(response.body), {
      maxHeaderBytes: LIMIT.innerHeaderBytes,
    });
    const body = NULL_BODY_STATUSES.has(inner.status) ? null : withClientErrors(inner.body);
    const headers = inner.headers.map(([name, value]): [string, string] => [name, value]);
    // Sealed, so it is the node's own word: it answers for another core than the one that was verified, and started nothing.
    const started = inner.status !== MISDIRECTED;
    return { started, response: new Response(body, { status: inner.status, headers }) };
  } catch (error) {
    throw clientError(error, request.signal);
  }
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
      redirect: 'error',
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
function withClientErrors(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value as Uint8Array<ArrayBuffer>);
      } catch (error) {
        controller.error(clientError(error));
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
