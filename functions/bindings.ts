// What a deployment binds to the edge: one Durable Object namespace, one rate limit and three variables.

import type { Pool } from './directory/pool.ts';

/** Bindings of wrangler.toml. Variables are optional here because a deployment can forget them; see configuration. */
export interface Bindings {
  /** Nonce requests, the only reads that reach a node. Optional here because a deployment can forget it. */
  readonly NONCE_LIMIT?: RateLimit;
  readonly POOL: DurableObjectNamespace<Pool>;
  /** Secret. JSON object: hex SHA-256 of an API key → opaque account handle. */
  readonly CLOISTER_API_KEYS?: string;
  /** JWKS of the attestation services whose results this edge takes. Public keys only. */
  readonly CLOISTER_ATTESTATION_KEYS?: string;
  /** This edge's own origin, the audience of registrations. Without it: the origin of the request. */
  readonly CLOISTER_ORIGIN?: string;
}
