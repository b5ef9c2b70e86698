// The paths of the edge and of a node.

/** RFC 9540 section 4: GET gives the key configurations, POST takes a sealed request. Same path at edge and node. */
export const GATEWAY_PATH = '/.well-known/ohttp-gateway';

/** Directory of nodes: `GET` lists (public, `?pool=`), `GET /{node}` gives one bundle, `PUT /{node}` registers. */
export const DIRECTORY_PATH = '/directory/nodes';

/** `GET /{digest}`: octets that a bundle refers to, by their base64url SHA-256. Immutable. */
export const BLOB_PATH = '/directory/blobs';

/** `GET`: a bundle whose statement answers this nonce (base64url, 32 octets). Same path at edge and node; never cached. */
export function noncePath(node: string, nonce: string): string {
  return `${DIRECTORY_PATH}/${node}/nonces/${nonce}`;
}

/** Pools and their models, as the nodes registered them: unsealed and therefore only a hint. */
export const MODELS_PATH = '/v1/models';

/** Liveness of edge and node. */
export const HEALTH_PATH = '/healthz';

/** Inner routes live here; outside the seal they answer 415. */
export const INFERENCE_PREFIX = '/v1/';
