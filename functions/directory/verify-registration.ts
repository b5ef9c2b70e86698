// Checks a registration: that an attestation service we trust affirmed this node, and that the node's own key signed the rest.

import { decodeProtectedHeader } from 'jose/decode/protected_header';
import { JOSEError } from 'jose/errors';
import { jwtVerify } from 'jose/jwt/verify';
import * as v from 'valibot';
import { fromBase64url, toBase64url } from '../../shared/bytes/base64url.ts';
import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import { sha256 } from '../../shared/bytes/digest.ts';
import { fromUtf8 } from '../../shared/bytes/utf8.ts';
import { listReferences, MOST_BLOBS } from '../../shared/wire/bundle-blobs.ts';
import { splitKeyList } from '../../shared/wire/key-list.ts';
import { LIMIT } from '../../shared/wire/limits.ts';
import { MOST_OTHER_EPOCHS, REGISTRATION_TYP, RESULT_TYP } from '../../shared/wire/registration.ts';
import type { AttestationKey } from '../gate/read-configuration.ts';
import type { RegistrationRefusal } from '../log-event.ts';
import { isNodeAddress } from './node-address.ts';

/** A registration that was checked. Times are Unix seconds. */
export interface VerifiedRegistration {
  /** base64url, 16 octets. */
  readonly node: string;
  /** When the node signed it; may have a fraction. */
  readonly issued: number;
  /** After this nobody takes it any more. */
  readonly signedUntil: number;
  /** Expiry of the attestation result behind it. */
  readonly affirmedUntil: number;
  readonly address: string;
  readonly pool: string;
  readonly models: readonly string[];
  /** `application/ohttp-keys`, checked framing. */
  readonly keyList: Bytes;
  /** base64url SHA-256 of each configuration, in the list's order. */
  readonly keyDigests: readonly string[];
  /** Keys that the node opens and does not offer, in the same form; empty when there are none. */
  readonly otherKeyList: Bytes;
  readonly otherKeyDigests: readonly string[];
  readonly bundle: Bytes;
  /** What the bundle refers to, by base64url SHA-256. */
  readonly blobs: readonly { readonly digest: string; readonly octets: Bytes }[];
  /** base64url SHA-256. */
  readonly bundleDigest: string;
}

/** A registration that does not hold. `reason` is for the log; strangers see `code` only. */
export class RegistrationRefused extends Error {
  override readonly name = 'RegistrationRefused';
  readonly code = 'registration_refused';
  readonly reason: RegistrationRefusal;
  constructor(reason: RegistrationRefusal) {
    super(reason);
    this.reason = reason;
  }
}

/** What the check is made against. */
export interface RegistrationExpectation {
  /** Node id of the path. */
  readonly node: string;
  /** This edge's origin. */
  readonly audience: string;
  readonly attestationKeys: readonly AttestationKey[];
  readonly now: Date;
}

const CLOCK_TOLERANCE_SECONDS = 5;
const REGISTRATION_LIFE_SECONDS = 300;
/** Design section 5: a result is short-lived, which is how a node is revoked. */
const RESULT_LIFE_SECONDS = 900;

const digest = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/));
const seconds = v.pipe(v.number(), v.finite(), v.minValue(0));
const nodeId = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{22}$/));

const others = <Item extends v.GenericSchema>(item: Item) =>
  v.optional(v.pipe(v.array(item), v.maxLength(MOST_OTHER_EPOCHS)), []);

const bodySchema = v.object({
  result: v.string(),
  registration: v.string(),
  bundle: v.string(),
  blobs: v.optional(v.pipe(v.array(v.string()), v.maxLength(MOST_BLOBS)), []),
  also: others(v.string()),
});

const resultSchema = v.object({
  iss: v.pipe(v.string(), v.minLength(1)),
  sub: nodeId,
  iat: seconds,
  exp: seconds,
  cnf: v.object({ jwk: v.object({ kty: v.literal('OKP'), crv: v.literal('Ed25519'), x: digest }) }),
  cloister_core: digest,
  cloister_keys: digest,
  submods: v.record(v.string(), v.object({ ear_status: v.string() })),
});

const registrationSchema = v.object({
  sub: nodeId,
  aud: v.string(),
  iat: seconds,
  exp: seconds,
  address: v.string(),
  pool: v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)),
  models: v.pipe(v.array(v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,200}$/))), v.maxLength(64)),
  core: digest,
  bundle: digest,
  keys: v.string(),
  also: others(v.object({ core: digest, keys: v.string() })),
});

/**
 * Verifies the body of `PUT` or `DELETE /directory/nodes/{node}`.
 * @throws RegistrationRefused with the first reason that was found.
 */
export async function verifyRegistration(
  body: Bytes,
  expected: RegistrationExpectation,
): Promise<VerifiedRegistration> {
  const request = readBody(body);
  const result = await verifyResult(request.result, expected);
  const claims = await verifySigned(request.registration, result.cnf.jwk, expected);

  if (claims.aud !== expected.audience) throw new RegistrationRefused('registration_audience');
  if (claims.sub !== result.sub || claims.sub !== expected.node)
    throw new RegistrationRefused('subject_mismatch');
  if (claims.core !== result.cloister_core) throw new RegistrationRefused('core_mismatch');
  if (!isNodeAddress(claims.address)) throw new RegistrationRefused('address_not_allowed');

  const bundle = decode(request.bundle, 'bundle_mismatch');
  if (bundle.length > LIMIT.bundleBytes || toBase64url(await sha256(bundle)) !== claims.bundle)
    throw new RegistrationRefused('bundle_mismatch');

  const keyList = await matchKeys(claims.keys, result);
  const others = await verifyOthers(request.also, claims, result, expected);

  return {
    node: claims.sub,
    issued: claims.iat,
    signedUntil: claims.exp,
    affirmedUntil: Math.min(result.exp, ...others.map(({ exp }) => exp)),
    address: claims.address,
    pool: claims.pool,
    models: claims.models,
    keyList,
    keyDigests: await digestKeys(keyList),
    otherKeyList: concat(...others.map((other) => other.keyList)),
    otherKeyDigests: (await Promise.all(others.map((other) => digestKeys(other.keyList)))).flat(),
    bundle,
    blobs: await matchBlobs(request.blobs, bundle),
    bundleDigest: claims.bundle,
  };
}

type Result = v.InferOutput<typeof resultSchema>;

// The epochs that a node opens but does not offer are held to the same rule as the one that it offers: an affirming result for this very
// node, with the same key of its own, that names exactly these keys.
async function verifyOthers(
  results: readonly string[],
  claims: v.InferOutput<typeof registrationSchema>,
  current: Result,
  expected: RegistrationExpectation,
): Promise<readonly { readonly keyList: Bytes; readonly exp: number }[]> {
  if (results.length !== claims.also.length) throw new RegistrationRefused('core_mismatch');
  return Promise.all(
    claims.also.map(async ({ core, keys }, index) => {
      const result = await verifyResult(results[index] ?? '', expected);
      if (result.sub !== claims.sub || result.cnf.jwk.x !== current.cnf.jwk.x)
        throw new RegistrationRefused('subject_mismatch');
      if (core !== result.cloister_core) throw new RegistrationRefused('core_mismatch');
      return { keyList: await matchKeys(keys, result), exp: result.exp };
    }),
  );
}

// What a bundle refers to comes with it, and nothing else does: no stranger's octets are stored under a node's name.
async function matchBlobs(
  texts: readonly string[],
  bundle: Bytes,
): Promise<readonly { readonly digest: string; readonly octets: Bytes }[]> {
  const wanted = new Set(listReferences(bundle));
  const blobs: { readonly digest: string; readonly octets: Bytes }[] = [];
  for (const text of texts) {
    const octets = decode(text, 'bundle_mismatch');
    const digest = toBase64url(await sha256(octets));
    if (octets.length > LIMIT.bundleBytes || !wanted.delete(digest))
      throw new RegistrationRefused('bundle_mismatch');
    blobs.push({ digest, octets });
  }
  if (wanted.size > 0) throw new RegistrationRefused('bundle_mismatch');
  return blobs;
}

async function matchKeys(text: string, result: Result): Promise<Bytes> {
  const keyList = decode(text, 'keys_malformed');
  if (toBase64url(await sha256(keyList)) !== result.cloister_keys)
    throw new RegistrationRefused('keys_mismatch');
  return keyList;
}

function readBody(body: Bytes): v.InferOutput<typeof bodySchema> {
  let json: unknown;
  try {
    json = JSON.parse(fromUtf8(body));
  } catch {
    throw new RegistrationRefused('body_malformed');
  }
  return check(bodySchema, json, 'body_malformed');
}

async function verifyResult(
  jws: string,
  expected: RegistrationExpectation,
): Promise<v.InferOutput<typeof resultSchema>> {
  let kid: string | undefined;
  try {
    kid = decodeProtectedHeader(jws).kid;
  } catch {
    throw new RegistrationRefused('result_malformed');
  }
  for (const jwk of expected.attestationKeys) {
    if (kid !== undefined && jwk.kid !== undefined && jwk.kid !== kid) continue;
    const algorithms = jwk.kty === 'OKP' ? ['EdDSA', 'Ed25519'] : ['ES256'];
    const payload = await verifyJws(jws, jwk, algorithms, {
      typ: RESULT_TYP,
      now: expected.now,
      malformed: 'result_malformed',
      expired: 'result_expired',
      claims: 'result_claims',
    });
    if (payload === undefined) continue;
    const claims = check(resultSchema, payload, 'result_claims');
    if (claims.exp - claims.iat > RESULT_LIFE_SECONDS) throw new RegistrationRefused('result_claims');
    const appraised = Object.values(claims.submods);
    if (appraised.length === 0 || appraised.some((submod) => submod.ear_status !== 'affirming'))
      throw new RegistrationRefused('result_not_affirming');
    return claims;
  }
  throw new RegistrationRefused('result_signature');
}

async function verifySigned(
  jws: string,
  jwk: { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string },
  expected: RegistrationExpectation,
): Promise<v.InferOutput<typeof registrationSchema>> {
  const payload = await verifyJws(jws, jwk, ['EdDSA', 'Ed25519'], {
    typ: REGISTRATION_TYP,
    now: expected.now,
    maxAge: REGISTRATION_LIFE_SECONDS,
    malformed: 'registration_claims',
    expired: 'registration_expired',
    claims: 'registration_claims',
  });
  if (payload === undefined) throw new RegistrationRefused('registration_signature');
  const claims = check(registrationSchema, payload, 'registration_claims');
  if (claims.exp - claims.iat > REGISTRATION_LIFE_SECONDS)
    throw new RegistrationRefused('registration_lifetime');
  return claims;
}

interface JwsExpectation {
  readonly typ: string;
  readonly now: Date;
  readonly maxAge?: number;
  readonly malformed: RegistrationRefusal;
  readonly expired: RegistrationRefusal;
  readonly claims: RegistrationRefusal;
}

/** The payload, or undefined when the signature is not by this key. */
async function verifyJws(
  jws: string,
  jwk: AttestationKey,
  algorithms: string[],
  expected: JwsExpectation,
): Promise<unknown> {
  try {
    const { kid: _, ...key } = jwk;
    const verified = await jwtVerify(jws, key, {
      algorithms,
      typ: expected.typ,
      currentDate: expected.now,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['sub', 'iat', 'exp'],
      ...(expected.maxAge === undefined ? {} : { maxTokenAge: expected.maxAge }),
    });
    return verified.payload;
  } catch (error) {
    if (!(error instanceof JOSEError)) throw new RegistrationRefused(expected.malformed);
    switch (error.code) {
      case 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED':
      case 'ERR_JOSE_ALG_NOT_ALLOWED':
        return undefined;
      case 'ERR_JWT_EXPIRED':
        throw new RegistrationRefused(expected.expired);
      case 'ERR_JWT_CLAIM_VALIDATION_FAILED':
        throw new RegistrationRefused(expected.claims);
      default:
        throw new RegistrationRefused(expected.malformed);
    }
  }
}

function check<Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
  reason: RegistrationRefusal,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, value);
  if (!result.success) throw new RegistrationRefused(reason);
  return result.output;
}

function decode(text: string, reason: RegistrationRefusal): Bytes {
  try {
    return fromBase64url(text);
  } catch {
    throw new RegistrationRefused(reason);
  }
}

async function digestKeys(keyList: Bytes): Promise<string[]> {
  let keys: ReturnType<typeof splitKeyList>;
  try {
    keys = splitKeyList(keyList);
  } catch {
    throw new RegistrationRefused('keys_malformed');
  }
  return Promise.all(keys.map(async (key) => toBase64url(await sha256(key.config))));
}
