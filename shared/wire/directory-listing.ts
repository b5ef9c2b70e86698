// What the directory tells everyone.

/** One node as `GET /directory/nodes` lists it. All of it is a hint until the bundle is verified. */
export interface ListedNode {
  /** base64url node id, 16 octets. */
  readonly node: string;
  readonly pool: string;
  readonly models: readonly string[];
  /** base64url SHA-256 of each key configuration in the node's list: values of `cloister-key`. */
  readonly keys: readonly string[];
  /** base64url SHA-256 of the bundle's octets. */
  readonly bundle: string;
  /** Unix seconds. */
  readonly expires: number;
}

/** `GET /directory/nodes`. */
export interface DirectoryListing {
  readonly nodes: readonly ListedNode[];
}
