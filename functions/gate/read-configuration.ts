// Reads the variables of a deployment, strictly: an edge that misreads its own configuration serves nothing.

import * as v from 'valibot';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { fromHex } from '../../shared/bytes/hex.ts';
import type { Bindings } from '../bindings.ts';

export type ConfigurationVariable = 'CLOISTER_API_KEYS' | 'CLOISTER_ATTESTATION_KEYS' | 'CLOISTER_ORIGIN';

/** A variable is absent or malformed. Names the variable, never its value. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly code = 'edge_misconfigured';
  readonly variable: ConfigurationVariable;
  constructor(variable: ConfigurationVariable) {
    super(`${variable} is absent or malformed`);
    this.variable = variable;
  }
}

/** One configured API key: what it hashes to and whose it is. */
export interface ApiKeyEntry {
  /** SHA-256, 32 octets. */
  readonly digest: Bytes;
  readonly account: string;
}

/** Public key of an attestation service, as JWK. */
export type AttestationKey = v.InferOutput<typeof attestationKey>;

export interface Configuration {
  readonly apiKeys: readonly ApiKeyEntry[];
  readonly attestationKeys: readonly AttestationKey[];
  readonly origin: string | undefined;
}

// The handle travels inside the ticket, which is a header of at most 1024 octets.
const apiKeys = v.record(
  v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  v.pipe(v.string(), v.regex(/^[A-Za-z0-9._-]{1,64}$/)),
);

const coordinate = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/));
const publicKey = v.variant('kty', [
  v.object({
    kty: v.literal('OKP'),
    crv: v.literal('Ed25519'),
    x: coordinate,
    kid: v.optional(v.string()),
  }),
  v.object({
    kty: v.literal('EC'),
    crv: v.literal('P-256'),
    x: coordinate,
    y: coordinate,
    kid: v.optional(v.string()),
  }),
]);
// A private key here would be a secret in a place that is not kept as one.
const attestationKey = v.pipe(
  v.looseObject({}),
  v.check((jwk) => !('d' in jwk)),
  publicKey,
);
const attestationKeys = v.object({ keys: v.array(attestationKey) });

/**
 * Reads all variables.
 * @throws ConfigurationError for the first that is absent or malformed. A private key among the attestation keys counts
 * as malformed: it has no business at an edge.
 */
export function readConfiguration(bindings: Bindings): Configuration {
  return {
    apiKeys: Object.entries(parse('CLOISTER_API_KEYS', bindings.CLOISTER_API_KEYS, apiKeys)).map(
      ([digest, account]) => ({ digest: fromHex(digest), account }),
    ),
    attestationKeys: parse('CLOISTER_ATTESTATION_KEYS', bindings.CLOISTER_ATTESTATION_KEYS, attestationKeys)
      .keys,
    origin: readOrigin(bindings.CLOISTER_ORIGIN),
  };
}

function parse<Schema extends v.GenericSchema>(
  variable: ConfigurationVariable,
  text: string | undefined,
  schema: Schema,
): v.InferOutput<Schema> {
  if (typeof text !== 'string') throw new ConfigurationError(variable);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ConfigurationError(variable);
  }
  // valibot's record skips __proto__ and friends and takes arrays; neither is a way to write this object.
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new ConfigurationError(variable);
  const result = v.safeParse(schema, json);
  if (!result.success) throw new ConfigurationError(variable);
  return result.output;
}

function readOrigin(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (!URL.canParse(text) || new URL(text).origin !== text) throw new ConfigurationError('CLOISTER_ORIGIN');
  return text;
}
