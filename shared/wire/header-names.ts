// Header names outside and inside the seal. All lower-case, as binary HTTP wants them (RFC 9292 section 3.6).

/** Visible to the edge. */
export const OUTER_HEADER = {
  /** Edge credential: `Bearer <api key>`. The relay strips it. */
  authorization: 'authorization',
  /** base64url SHA-256 of the key configuration (one entry of the list, without its length prefix): the route. */
  key: 'cloister-key',
  /** Coarse model class. */
  pool: 'cloister-pool',
  /** HMAC ticket that the relay adds; see ticket.ts. */
  ticket: 'cloister-ticket',
  /** Load of the node as an integer percentage of its slots, on every answer of a node. */
  load: 'cloister-load',
  /** RFC 10036: `?1`. */
  incremental: 'incremental',
  requestId: 'x-request-id',
  /** On an answer that says a key is gone: where the directory lists the keys that are not. */
  directory: 'cloister-directory',
} as const;

/** Inside the seal only. */
export const INNER_HEADER = {
  date: 'date',
  idempotencyKey: 'idempotency-key',
  /** base64url core digest that the client verified. */
  attestation: 'cloister-attestation',
  /** base64url of 32 random octets that the client keeps for its session. */
  session: 'cloister-session',
  /** `cloister/<version>`. */
  sdk: 'cloister-sdk',
} as const;
