// The errors that strangers may see: OpenAI-shaped, from one closed catalogue (docs/errors.md has cause and remedy).

/** `{error:{message,type,param,code}}`, the shape every OpenAI SDK understands. */
export interface PublicErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: PublicErrorCode;
  };
}

interface Entry {
  readonly status: number;
  readonly type: 'invalid_request_error' | 'authentication_error' | 'rate_limit_error' | 'server_error';
  readonly message: string;
}

/** Every public code with its status and its sentence. A sentence never holds internals. */
export const PUBLIC_ERRORS = {
  unsealed_request: {
    status: 415,
    type: 'invalid_request_error',
    message:
      'This service takes sealed requests only. Nothing of your request was read. Use the cloister client.',
  },
  invalid_api_key: {
    status: 401,
    type: 'authentication_error',
    message: 'The API key is missing or not valid.',
  },
  request_too_large: {
    status: 413,
    type: 'invalid_request_error',
    message: 'The request is larger than this service takes.',
  },
  not_found: { status: 404, type: 'invalid_request_error', message: 'There is nothing at this address.' },
  method_not_allowed: {
    status: 405,
    type: 'invalid_request_error',
    message: 'This address does not take that method.',
  },
  invalid_request: { status: 400, type: 'invalid_request_error', message: 'The request is not valid.' },
  key_unknown: {
    // Not 421 although it fits: every fetch sends a request again by itself after a 421 (Fetch standard), and Node's fails half
    // of the time when it does (measured, undici 7.29). Like every 503 here it means that nothing was started.
    status: 503,
    type: 'server_error',
    message:
      'No node holds that key any more. Nothing was started. Fetch the directory, verify again and reseal.',
  },
  no_node_available: {
    status: 503,
    type: 'server_error',
    message: 'No node is available. Nothing was started.',
  },
  node_unreachable: {
    status: 502,
    type: 'server_error',
    message: 'The node did not answer. Whether it started is not known.',
  },
  node_timeout: {
    status: 504,
    type: 'server_error',
    message: 'The node did not answer in time. Whether it started is not known.',
  },
  rate_limited: {
    status: 429,
    type: 'rate_limit_error',
    message: 'Too many requests. Nothing was started. Ask again later.',
  },
  evidence_unavailable: {
    status: 503,
    type: 'server_error',
    message: 'The node gives no fresh evidence now. Nothing was started. Ask again later.',
  },
  registration_refused: {
    status: 403,
    type: 'authentication_error',
    message: 'The registration was refused.',
  },
  sealed_request_invalid: {
    status: 400,
    type: 'invalid_request_error',
    message: 'The sealed request could not be opened.',
  },
  replay_detected: {
    status: 409,
    type: 'invalid_request_error',
    message: 'This sealed request was received before.',
  },
  in_progress: {
    status: 409,
    type: 'invalid_request_error',
    message: 'A request with this idempotency key is being answered. Nothing was started.',
  },
  already_answered: {
    status: 409,
    type: 'invalid_request_error',
    message:
      'A request with this idempotency key was answered before, and no answer is kept. Nothing was started. Ask with a new key.',
  },
  idempotency_conflict: {
    status: 409,
    type: 'invalid_request_error',
    message: 'This idempotency key was used for another request. Nothing was started.',
  },
  ticket_refused: {
    status: 403,
    type: 'authentication_error',
    message: 'The request was not admitted by this node’s edge.',
  },
  date_out_of_range: {
    status: 400,
    type: 'invalid_request_error',
    message: 'The date inside the request is too far from this node’s clock.',
  },
  attestation_mismatch: {
    status: 421,
    type: 'invalid_request_error',
    message: 'The attestation that the client verified is not this node’s. Verify again and reseal.',
  },
  route_not_offered: {
    status: 404,
    type: 'invalid_request_error',
    message: 'This deployment does not offer that route.',
  },
  limit_exceeded: {
    status: 400,
    type: 'invalid_request_error',
    message: 'The request is over a limit of this service. Nothing was started.',
  },
  media_not_inline: {
    status: 400,
    type: 'invalid_request_error',
    message:
      'Images, sounds and files must be data: URLs inside the request: the engine has no network, and nothing is stored. Nothing was started.',
  },
  feature_not_offered: {
    status: 400,
    type: 'invalid_request_error',
    message: 'This deployment does not offer what the request asks for. Nothing was started.',
  },
  nothing_retained: {
    status: 400,
    type: 'invalid_request_error',
    message:
      'No request and no answer is retained here, so none can be stored, continued or fetched. Send the whole conversation. Nothing was started.',
  },
  engine_unavailable: { status: 503, type: 'server_error', message: 'The engine is not ready.' },
  engine_crashed: {
    status: 500,
    type: 'server_error',
    message: 'The engine stopped while it was answering.',
  },
  edge_misconfigured: {
    status: 500,
    type: 'server_error',
    message: 'The edge is not configured. Nothing of your request was read.',
  },
  internal_error: { status: 500, type: 'server_error', message: 'Something went wrong.' },
} as const satisfies Record<string, Entry>;

export type PublicErrorCode = keyof typeof PUBLIC_ERRORS;

/** The body for a code. `message` replaces the catalogue's sentence only where it adds a limit or a name that is public. */
export function publicErrorBody(code: PublicErrorCode, message?: string, param?: string): PublicErrorBody {
  const entry = PUBLIC_ERRORS[code];
  return { error: { message: message ?? entry.message, type: entry.type, param: param ?? null, code } };
}

/** A Response with the code's status and JSON body. */
export function publicErrorResponse(
  code: PublicErrorCode,
  headers?: Readonly<Record<string, string>>,
): Response {
  return Response.json(publicErrorBody(code), {
    status: PUBLIC_ERRORS[code].status,
    headers: { 'cache-control': 'no-store', ...headers },
  });
}
