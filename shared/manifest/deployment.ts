// A deployment: model, engine, sandbox and surface, as exact octets whose digest a node puts into its core.

import type { Bytes } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';
import { hexText, integer, list, object, oneOf, readShape, type Shape, text } from '../bytes/shape.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import { type Isolation, isolationShape } from './isolation.ts';
import { ManifestError } from './manifest-error.ts';
import { SECRET_NAME } from './secret.ts';

/** What runs on a worker. The members are the JSON's own. */
export interface Deployment {
  readonly version: 1;
  readonly model: {
    readonly id: string;
    /** SHA-256 of the weights file as loaded, lower-case hex. */
    readonly sha256: string;
    /** Size of the weights file in octets. */
    readonly bytes: number;
    /**
     * Present: the weights reach a worker encrypted (docs/weights.md), and no worker of this deployment takes them otherwise. Digest and
     * size above are of the plaintext all the same: they say what answers. The encrypted octets need no digest here, since the weight key
     * authenticates them and the plaintext's digest decides; encrypting again changes nothing that a client relies on.
     */
    readonly encrypted?: {
      /** Name of the secret that is the weight key. */
      readonly key: string;
    };
  };
  readonly engine: {
    /** docs/engines.md compares them. */
    readonly kind: 'node-llama-cpp' | 'llama-server' | 'vllm';
    /** SHA-256 over what the engine consists of, lower-case hex. */
    readonly digest: string;
  };
  readonly sandbox: {
    readonly driver: 'bubblewrap' | 'gvisor' | 'landlock' | 'none';
    /** SHA-256 of the sandbox profile, lower-case hex. */
    readonly profile_digest: string;
  };
  /** How many tenants an engine serves (isolation.ts). */
  readonly isolation: Isolation;
  /** Inner routes, such as `POST /v1/chat/completions`. */
  readonly routes: readonly string[];
  readonly features: readonly string[];
}

const MAXIMUM_BYTES = 64 * 1024;
const DEPLOYMENT_LABEL = 'cloister deployment v1';

const shape: Shape<Deployment> = object<Deployment>({
  version: oneOf(1),
  model: object<Deployment['model']>(
    {
      id: text(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/, 'a model id'),
      sha256: hexText(32),
      bytes: integer(1, Number.MAX_SAFE_INTEGER),
      encrypted: object<NonNullable<Deployment['model']['encrypted']>>({ key: SECRET_NAME }),
    },
    ['encrypted'],
  ),
  engine: object<Deployment['engine']>({
    kind: oneOf('node-llama-cpp', 'llama-server', 'vllm'),
    digest: hexText(32),
  }),
  sandbox: object<Deployment['sandbox']>({
    driver: oneOf('bubblewrap', 'gvisor', 'landlock', 'none'),
    profile_digest: hexText(32),
  }),
  isolation: isolationShape,
  routes: list(text(/^[A-Z]{3,7} \/[!-~]{0,200}$/, 'a method, a space and a path'), 0, 64),
  features: list(text(/^[a-z0-9][a-z0-9-]{0,63}$/, 'a lower-case word with hyphens'), 0, 64),
});

/** The octets of a deployment. Keep exactly these. */
export function encodeDeployment(deployment: Deployment): Bytes {
  return toUtf8(JSON.stringify(deployment));
}

/**
 * Reads a deployment.
 * @throws ManifestError `deployment_malformed` with every problem.
 */
export function parseDeployment(octets: Uint8Array): Deployment {
  if (octets.length > MAXIMUM_BYTES)
    throw new ManifestError('deployment_malformed', [{ path: '', message: `over ${MAXIMUM_BYTES} octets` }]);
  let value: unknown;
  try {
    value = parseStrictJson(octets);
  } catch (error) {
    throw new ManifestError('deployment_malformed', [
      { path: '', message: error instanceof Error ? error.message : 'not JSON' },
    ]);
  }
  const read = readShape(shape, value);
  if (!read.ok) throw new ManifestError('deployment_malformed', read.problems);
  return read.value;
}

/** SHA-256( "cloister deployment v1" ‖ 0x00 ‖ deployment ), 32 octets. */
export function deploymentDigest(octets: Uint8Array): Promise<Bytes> {
  const label = toUtf8(`${DEPLOYMENT_LABEL}\0`);
  const joined = new Uint8Array(label.length + octets.length);
  joined.set(label);
  joined.set(octets, label.length);
  return sha256(joined);
}
