// What NVIDIA's remote attestation service answers with, and its key set: read as text and octets, verified elsewhere.

import { object, refuse, type Shape, text } from '../bytes/shape.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';
import { NRAS_ANSWER_MAXIMUM_BYTES } from './evidence-bounds.ts';
import { EvidenceError } from './evidence-error.ts';
import { readJson } from './read-json.ts';

/** Largest key set that is looked at. Real ones have 81 kB. */
export const NRAS_KEYS_MAXIMUM_BYTES = 512 * 1024;

/** `[["JWT","<overall>"],{"GPU-0":"<jwt>",…}]`. No signature has been checked. */
export interface NrasAnswer {
  /** The verdict over all, a compact JWS. */
  readonly overall: string;
  /** The verdict for each device by name, compact JWSs. */
  readonly devices: ReadonlyMap<string, string>;
}

/** A P-384 key by its id: coordinates as base64url. */
export interface NrasKey {
  readonly x: string;
  readonly y: string;
}

const MAXIMUM_DEVICES = 16;
const MAXIMUM_KEYS = 256;
const COORDINATE = /^[A-Za-z0-9_-]{64}$/;

const token = text(
  /^[A-Za-z0-9_-]{1,1024}\.[A-Za-z0-9_-]{1,16384}\.[A-Za-z0-9_-]{128}$/,
  'a compact JWS of P-384',
);

const devices: Shape<ReadonlyMap<string, string>> = (value, path, problems) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse(path, 'must be an object', problems);
  const names = Object.keys(value);
  if (names.length < 1 || names.length > MAXIMUM_DEVICES || names.some((name) => !/^GPU-\d{1,2}$/.test(name)))
    return refuse(path, `must name 1 to ${MAXIMUM_DEVICES} GPUs`, problems);
  const read = object<Record<string, string>>(Object.fromEntries(names.map((name) => [name, token])));
  const members = read(value, path, problems);
  return members && new Map(Object.entries(members));
};

const answer: Shape<NrasAnswer> = (value, path, problems) => {
  if (!Array.isArray(value) || value.length !== 2) return refuse(path, 'must be a pair', problems);
  const [labelledToken, byName] = value as readonly unknown[];
  if (!Array.isArray(labelledToken) || labelledToken.length !== 2 || labelledToken[0] !== 'JWT')
    return refuse(`${path}[0]`, 'must be "JWT" and a token', problems);
  const overall = token(labelledToken[1], `${path}[0][1]`, problems);
  const each = devices(byName, `${path}[1]`, problems);
  return overall !== undefined && each ? { overall, devices: each } : undefined;
};

/**
 * Reads an answer.
 * @throws EvidenceError `evidence_too_large` or `evidence_nras_malformed`.
 */
export function parseNrasAnswer(octets: Uint8Array): NrasAnswer {
  return readJson(octets, answer, NRAS_ANSWER_MAXIMUM_BYTES, 'evidence_nras_malformed');
}

/**
 * Reads the service's key set (RFC 7517): id and coordinates of the P-384 keys. Certificates in it are passed over, so
 * that they cannot choose a key.
 * @throws EvidenceError `evidence_too_large` or `evidence_nras_malformed`, which includes an id that occurs twice.
 */
export function parseNrasKeys(octets: Uint8Array): ReadonlyMap<string, NrasKey> {
  if (octets.length > NRAS_KEYS_MAXIMUM_BYTES)
    throw new EvidenceError('evidence_too_large', `key set over ${NRAS_KEYS_MAXIMUM_BYTES} octets`);
  let document: unknown;
  try {
    document = parseStrictJson(octets);
  } catch {
    throw malformed('key set is not JSON');
  }
  const listed = isObject(document) ? document.keys : undefined;
  if (!Array.isArray(listed) || listed.length > MAXIMUM_KEYS)
    throw malformed('key set without a list of keys');
  const keys = new Map<string, NrasKey>();
  for (const key of listed as readonly unknown[]) {
    if (!isObject(key) || key.kty !== 'EC' || key.crv !== 'P-384') continue;
    const { kid, x, y } = key;
    if (typeof kid !== 'string' || kid === '' || kid.length > 256) throw malformed('key without an id');
    if (typeof x !== 'string' || typeof y !== 'string' || !COORDINATE.test(x) || !COORDINATE.test(y))
      throw malformed('key without its coordinates');
    if (keys.has(kid)) throw malformed('key id occurs twice');
    keys.set(kid, { x, y });
  }
  return keys;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(detail: string): EvidenceError {
  return new EvidenceError('evidence_nras_malformed', detail);
}
