// Builds the client's answer from a node's: a sealed one passes as a stream, anything else becomes an error of the catalogue.

import { fromUtf8 } from '../../shared/bytes/utf8.ts';
import { OUTER_HEADER } from '../../shared/wire/header-names.ts';
import {
  MEDIA_TYPE,
  PROBLEM_TYPE,
  type SealedRequestType,
  sealedResponseType,
} from '../../shared/wire/media-types.ts';
import type { PublicErrorCode } from '../../shared/wire/public-error.ts';
import { DIRECTORY_PATH } from '../../shared/wire/routes.ts';
import { Refusal, type RefusalDetail } from '../gate/refusal.ts';

/** What a node may say unsealed. Any other code of the catalogue is the edge's to say, or belongs inside the seal. */
const NODE_CODES: ReadonlySet<PublicErrorCode> = new Set<PublicErrorCode>([
  'unsealed_request',
  'request_too_large',
  'key_unknown',
  'no_node_available',
  'sealed_request_invalid',
  'replay_detected',
  'ticket_refused',
  'date_out_of_range',
  'engine_unavailable',
  'internal_error',
]);

/** An error of ours has a few hundred octets. */
const LARGEST_ERROR_BYTES = 8 * 1024;

/**
 * The answer for the client.
 * @throws Refusal when the node did not answer sealed: with the node's code where it is one that nodes may say, else
 * `node_unreachable`, because then nobody knows what happened.
 */
export async function rebuildAnswer(upstream: Response, requestType: SealedRequestType): Promise<Response> {
  const type = sealedResponseType(requestType);
  if (upstream.status !== 200 || upstream.headers.get('content-type')?.trim().toLowerCase() !== type)
    throw await rebuildRefusal(upstream);
  return new Response(upstream.body, {
    headers: {
      'content-type': type,
      // Without it the edge may compress, and compression holds a stream back.
      'content-encoding': 'identity',
      'cache-control': 'no-store',
      ...(requestType === MEDIA_TYPE.chunkedRequest ? { [OUTER_HEADER.incremental]: '?1' } : {}),
    },
  });
}

/** The refusal for a key that no node holds, with the way back: the directory, and the problem type of RFC 9458. */
export function keyUnknown(): Refusal {
  return new Refusal('key_unknown', detailOf('key_unknown'));
}

async function rebuildRefusal(upstream: Response): Promise<Refusal> {
  const code = (await readNodeCode(upstream)) ?? 'node_unreachable';
  const detail = detailOf(code);
  const retryAfter = upstream.headers.get('retry-after');
  if (retryAfter === null || !/^\d{1,4}$/.test(retryAfter)) return new Refusal(code, detail);
  return new Refusal(code, { headers: { ...detail.headers, 'retry-after': retryAfter } });
}

function detailOf(code: PublicErrorCode): RefusalDetail {
  // Clients that know RFC 9457 find the type here; the body stays what OpenAI's SDKs understand.
  if (code === 'key_unknown')
    return {
      headers: { [OUTER_HEADER.directory]: DIRECTORY_PATH, link: `<${PROBLEM_TYPE.key}>; rel="type"` },
    };
  if (code === 'date_out_of_range') return { headers: { link: `<${PROBLEM_TYPE.date}>; rel="type"` } };
  return {};
}

async function readNodeCode(upstream: Response): Promise<PublicErrorCode | undefined> {
  const type = upstream.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (upstream.status < 400 || (type !== MEDIA_TYPE.problem && type !== 'application/json')) {
    await upstream.body?.cancel().catch(() => undefined);
    return undefined;
  }
  let json: { readonly type?: unknown; readonly error?: { readonly code?: unknown } } | null;
  try {
    json = JSON.parse(await readStart(upstream)) as typeof json;
  } catch {
    return undefined;
  }
  const code = json?.error?.code;
  if (typeof code === 'string' && (NODE_CODES as ReadonlySet<string>).has(code))
    return code as PublicErrorCode;
  if (json?.type === PROBLEM_TYPE.key) return 'key_unknown';
  if (json?.type === PROBLEM_TYPE.date) return 'date_out_of_range';
  return undefined;
}

async function readStart(upstream: Response): Promise<string> {
  const octets = new Uint8Array(LARGEST_ERROR_BYTES);
  let length = 0;
  if (upstream.body !== null)
    for await (const chunk of upstream.body as ReadableStream<Uint8Array>) {
      if (length + chunk.length > octets.length) return '';
      octets.set(chunk, length);
      length += chunk.length;
    }
  return fromUtf8(octets.subarray(0, length));
}
