// The attestation result: what an attestation service says of one node for at most a quarter of an hour (EAR, draft-ietf-rats-ear-04).

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { list, object, octets, oneOf, refuse, rule, type Shape, text } from '../bytes/shape.ts';
import type { DeviceDigest } from './node-statement.ts';
import { readJson } from './read-json.ts';

/** `eat_profile` of the results that are understood here. */
export const EAR_PROFILE = 'tag:ietf.org,2026:rats/ear#04';
/** `typ` of a result's protected header: keeps it apart from everything else that the same key signs. */
export const RESULT_HEADER_TYPE = 'eat+jwt';
/** A result older than this is nobody's proof. */
export const RESULT_LIFE_SECONDS = 15 * 60;

const CLAIMS_MAXIMUM_BYTES = 12 * 1024;
const HEADER_MAXIMUM_BYTES = 1024;

/** Trustworthiness tier of one appraised part. Only `affirming` is good. */
export type ResultStatus = 'none' | 'affirming' | 'warning' | 'contraindicated';

/** The claims of a result. */
export interface AttestationResult {
  /** Node id of what was appraised, 16 octets (`sub`). */
  readonly node: Bytes;
  /** Whole seconds (`iat`, `exp`). */
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  /** Who wrote the verifier, and which build it is (`ear_verifier_id`). */
  readonly verifier: { readonly developer: string; readonly build: string };
  /** Tier by appraised part, such as `cpu`. */
  readonly statuses: Readonly<Record<string, ResultStatus>>;
  /** Digest of the appraised core, 32 octets. */
  readonly coreDigest: Bytes;
  /** SHA-256 of the core's `ohttp_keys`, for those who cannot read cores. */
  readonly keysDigest: Bytes;
  /** SHA-256 of the manifest that it was appraised against. */
  readonly manifestDigest: Bytes;
  /** The core's receipt key: what the node proves itself with (`cnf`). */
  readonly receiptKey: Bytes;
  /** The devices whose evidence was appraised beside the CPU's. */
  readonly devices: readonly DeviceDigest[];
  readonly assurance: 'hardware' | 'simulated';
}

interface Claims {
  readonly iss: string;
  readonly sub: Bytes;
  readonly iat: number;
  readonly exp: number;
  readonly eat_profile: typeof EAR_PROFILE;
  readonly ear_verifier_id: { readonly developer: string; readonly build: string };
  readonly submods: Readonly<Record<string, Submodule>>;
  readonly cnf: { readonly jwk: { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: Bytes } };
  readonly cloister_core: Bytes;
  readonly cloister_keys: Bytes;
  readonly cloister_manifest: Bytes;
  readonly cloister_devices: readonly DeviceDigest[];
  readonly cloister_assurance: 'hardware' | 'simulated';
}
interface Submodule {
  readonly ear_status: ResultStatus;
  readonly ear_appraisal_policy_ids: readonly string[];
}
interface Header {
  readonly alg: 'EdDSA';
  readonly typ: typeof RESULT_HEADER_TYPE;
  readonly kid: string;
}

const submodule = object<Submodule>({
  ear_status: oneOf('none', 'affirming', 'warning', 'contraindicated'),
  ear_appraisal_policy_ids: list(text(/^[!-~]{1,200}$/, 'a printable name'), 0, 8),
});

const submodules: Shape<Readonly<Record<string, Submodule>>> = (value, path, problems) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse(path, 'must be an object', problems);
  const entries = Object.entries(value);
  if (entries.length < 1 || entries.length > 65) return refuse(path, 'must have 1 to 65 members', problems);
  const read: [string, Submodule][] = [];
  for (const [name, entry] of entries) {
    if (!/^[a-z][a-z0-9-]{0,31}$/.test(name)) return refuse(path, 'has a member of another name', problems);
    const one = submodule(entry, `${path}.${name}`, problems);
    if (one === undefined) return undefined;
    read.push([name, one]);
  }
  return Object.fromEntries(read);
};

const seconds: Shape<number> = (value, path, problems) =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 40
    ? (value as number)
    : refuse(path, 'must be whole Unix seconds', problems);

const claimsShape: Shape<Claims> = rule(
  object<Claims>({
    iss: text(/^[!-~]{1,200}$/, 'a printable name'),
    sub: octets(16),
    iat: seconds,
    exp: seconds,
    eat_profile: oneOf(EAR_PROFILE),
    ear_verifier_id: object<Claims['ear_verifier_id']>({
      developer: text(/^[ -~]{1,200}$/, 'printable text'),
      build: text(/^[ -~]{1,200}$/, 'printable text'),
    }),
    submods: submodules,
    cnf: object<Claims['cnf']>({
      jwk: object<Claims['cnf']['jwk']>({ kty: oneOf('OKP'), crv: oneOf('Ed25519'), x: octets(32) }),
    }),
    cloister_core: octets(32),
    cloister_keys: octets(32),
    cloister_manifest: octets(32),
    cloister_devices: list(
      object<DeviceDigest>({
        kind: text(/^[a-z][a-z0-9-]{0,31}$/, 'a lower-case word with hyphens'),
        sha256: octets(32),
      }),
      0,
      64,
    ),
    cloister_assurance: oneOf('hardware', 'simulated'),
  }),
  ({ iat, exp }) => (iat < exp ? undefined : 'must begin before it ends'),
);

const headerShape = object<Header>({
  alg: oneOf('EdDSA'),
  typ: oneOf(RESULT_HEADER_TYPE),
  kid: text(/^[!-~]{1,200}$/, 'a printable name'),
});

/** The claims as JSON, for whoever signs them. `issuer` names the service; nobody's trust hangs on it. */
export function claimsOf(result: AttestationResult, issuer: string): Readonly<Record<string, unknown>> {
  const policyIds = [toBase64url(result.manifestDigest)];
  return {
    iss: issuer,
    sub: toBase64url(result.node),
    iat: Math.floor(result.issuedAt.getTime() / 1000),
    exp: Math.floor(result.expiresAt.getTime() / 1000),
    eat_profile: EAR_PROFILE,
    ear_verifier_id: result.verifier,
    submods: Object.fromEntries(
      Object.entries(result.statuses).map(([name, status]) => [
        name,
        { ear_status: status, ear_appraisal_policy_ids: policyIds },
      ]),
    ),
    cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: toBase64url(result.receiptKey) } },
    cloister_core: toBase64url(result.coreDigest),
    cloister_keys: toBase64url(result.keysDigest),
    cloister_manifest: toBase64url(result.manifestDigest),
    cloister_devices: result.devices.map(({ kind, sha256 }) => ({ kind, sha256: toBase64url(sha256) })),
    cloister_assurance: result.assurance,
  };
}

/**
 * Reads a result's protected header: exactly `alg`, `typ` and `kid`, EdDSA and nothing else. `none`, other algorithms, `crit`
 * and embedded keys have no spelling that passes.
 * @throws EvidenceError `evidence_result_header`.
 */
export function readResultHeader(header: Uint8Array): void {
  readJson(header, headerShape, HEADER_MAXIMUM_BYTES, 'evidence_result_header');
}

/**
 * Reads the claims of a result. Says nothing about who signed them.
 * @throws EvidenceError `evidence_result_malformed` with every problem, or `evidence_too_large`.
 */
export function parseResult(payload: Uint8Array): AttestationResult {
  const claims = readJson(payload, claimsShape, CLAIMS_MAXIMUM_BYTES, 'evidence_result_malformed');
  return {
    node: claims.sub,
    issuedAt: new Date(claims.iat * 1000),
    expiresAt: new Date(claims.exp * 1000),
    verifier: claims.ear_verifier_id,
    statuses: Object.fromEntries(
      Object.entries(claims.submods).map(([name, { ear_status }]) => [name, ear_status]),
    ),
    coreDigest: claims.cloister_core,
    keysDigest: claims.cloister_keys,
    manifestDigest: claims.cloister_manifest,
    receiptKey: claims.cnf.jwk.x,
    devices: claims.cloister_devices,
    assurance: claims.cloister_assurance,
  };
}
