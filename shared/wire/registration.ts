// What a node and its edge say to each other when the node registers. The edge can check it and can forge none of it.

/**
 * Body of `PUT /directory/nodes/{node}`.
 * `result` is the attestation result of an attestation service that the edge trusts: an EAR-shaped compact JWS
 * (ES256 or EdDSA, `typ` `eat+jwt`). `registration` is a compact JWS (EdDSA, `typ` `cloister-registration+jwt`) by the key
 * in the result's `cnf.jwk`, so that a result alone, seen in passing, registers nothing.
 */
export interface RegistrationRequest {
  readonly result: string;
  readonly registration: string;
  /**
   * The attestation bundle, base64url of its exact octets; its SHA-256 is in the signed registration. Large octet strings in it may be
   * references (bundle-blobs.ts).
   */
  readonly bundle: string;
  /** The octets of every reference in the bundle, base64url, each once and no others. */
  readonly blobs?: readonly string[];
  /** Attestation results for `also` in the signed registration, in its order. */
  readonly also?: readonly string[];
}

/** Most key epochs beside the current one that a registration may name. */
export const MOST_OTHER_EPOCHS = 4;

export const REGISTRATION_TYP = 'cloister-registration+jwt';
export const RESULT_TYP = 'eat+jwt';

/** Claims of the signed registration. */
export interface RegistrationClaims {
  /** base64url node id, 16 octets: equals the result's `sub` and the path. */
  readonly sub: string;
  /** The edge's own origin: a registration for one edge says nothing to another. */
  readonly aud: string;
  /** Unix seconds. */
  readonly iat: number;
  readonly exp: number;
  /** Where the relay reaches the node: an https origin, or http on loopback. */
  readonly address: string;
  readonly pool: string;
  /** Model ids that the node serves. */
  readonly models: readonly string[];
  /** base64url core digest: equals the result's `cloister_core`. */
  readonly core: string;
  /** base64url SHA-256 of the bundle's octets. */
  readonly bundle: string;
  /** The node's `application/ohttp-keys` list, base64url: equals the list in the core that the result names. */
  readonly keys: string;
  /**
   * Key epochs of the same node that it opens but does not offer: pending and stale ones. Their keys become routes and are listed
   * nowhere. Each equals what its own attestation result names, as above, so that nothing is routed that no service affirmed.
   */
  readonly also?: readonly { readonly core: string; readonly keys: string }[];
}

/** Claims of the attestation result that the edge reads; the rest of the EAR is for other verifiers. */
export interface ResultClaims {
  readonly iss: string;
  readonly sub: string;
  readonly iat: number;
  readonly exp: number;
  readonly cnf: { readonly jwk: { readonly kty: string; readonly crv: string; readonly x: string } };
  readonly cloister_core: string;
  /** base64url SHA-256 of the node's `application/ohttp-keys` list. */
  readonly cloister_keys: string;
  readonly submods: Readonly<Record<string, { readonly ear_status: string }>>;
}

/** Answer to a registration. */
export interface RegistrationAnswer {
  /** base64url, 32 octets: the HMAC key of this node's tickets. */
  readonly ticket_key: string;
  /** Unix seconds; the node registers again before. */
  readonly expires: number;
}
