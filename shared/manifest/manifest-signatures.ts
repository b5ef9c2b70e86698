// Owners' signatures, detached and beside the manifest: who signed these exact octets, and how many of a list that makes.

import { fromBase64url, toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';
import { list, object, oneOf, type Problem, readShape, rule, type Shape, text } from '../bytes/shape.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import type { KeyHolder } from './key-holders.ts';
import { labelledDigest } from './labelled-digest.ts';
import { ManifestError } from './manifest-error.ts';
import { ed25519Key, verifyEd25519 } from './verify-ed25519.ts';

/** One signature. */
export interface ManifestSignature {
  /** The signer's Ed25519 key, base64url. */
  readonly key: string;
  /** base64url of 64 octets: Ed25519 over `manifestMessage`. */
  readonly signature: string;
}

/** What lies beside a manifest. Members are the JSON's own. */
export interface ManifestSignatures {
  readonly version: 1;
  /** Digest of the manifest, base64url: a mix-up of files is told from a forgery. */
  readonly manifest: string;
  /** Each key once. */
  readonly signatures: readonly ManifestSignature[];
}

/** Octets of a whole document: 64 signatures. */
export const SIGNATURES_MAXIMUM_BYTES = 16 * 1024;
/** Owners of this version and of the one before. */
const MOST_SIGNATURES = 64;
const SIGNATURE_LABEL = 'cloister manifest signature v1';

const shape: Shape<ManifestSignatures> = object<ManifestSignatures>({
  version: oneOf(1),
  manifest: text(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, 'base64url of 32 octets'),
  signatures: rule(
    list(
      object<ManifestSignature>({
        key: ed25519Key,
        signature: text(/^[A-Za-z0-9_-]{85}[AQgw]$/, 'base64url of 64 octets'),
      }),
      0,
      MOST_SIGNATURES,
    ),
    (all) => (new Set(all.map(({ key }) => key)).size === all.length ? undefined : 'has a key twice'),
  ),
});

/** What an owner signs: "cloister manifest signature v1" ‖ 0x00 ‖ SHA-256 of the manifest's octets. 63 octets. */
export function manifestMessage(manifestOctets: Uint8Array): Promise<Bytes> {
  return labelledDigest(SIGNATURE_LABEL, manifestOctets);
}

/** The octets of a signature document. @throws ManifestError when `parseSignatures` would refuse them. */
export function encodeSignatures(signatures: ManifestSignatures): Bytes {
  const encoded = toUtf8(JSON.stringify(signatures));
  parseSignatures(encoded);
  return encoded;
}

/** Reads a signature document; says nothing about whether it is true. @throws ManifestError `signatures_malformed`. */
export function parseSignatures(octets: Uint8Array): ManifestSignatures {
  const malformed = (problems: readonly Problem[]) => new ManifestError('signatures_malformed', problems);
  if (octets.length > SIGNATURES_MAXIMUM_BYTES)
    throw malformed([{ path: '', message: `over ${SIGNATURES_MAXIMUM_BYTES} octets` }]);
  let value: unknown;
  try {
    value = parseStrictJson(octets);
  } catch (error) {
    throw malformed([{ path: '', message: error instanceof Error ? error.message : 'not JSON' }]);
  }
  const read = readShape(shape, value);
  if (!read.ok) throw malformed(read.problems);
  return read.value;
}

/** A document without signatures yet. */
export async function noSignatures(manifestOctets: Uint8Array): Promise<ManifestSignatures> {
  return { version: 1, manifest: toBase64url(await sha256(manifestOctets)), signatures: [] };
}

/** The document with one signature more; a key that signed before signs anew. `sign` makes Ed25519 signatures by `key`. */
export async function addSignature(
  document: ManifestSignatures,
  manifestOctets: Uint8Array,
  key: string,
  sign: (message: Bytes) => Bytes | Promise<Bytes>,
): Promise<ManifestSignatures> {
  const signature = toBase64url(await sign(await manifestMessage(manifestOctets)));
  const others = document.signatures.filter((each) => each.key !== key);
  return { ...document, signatures: [...others, { key, signature }] };
}

/**
 * Verifies every signature of a document: the keys that signed this manifest. One that does not hold makes the whole document bad, also
 * one that nobody needs, so that no octet of it can be changed unnoticed. A signer that nobody named counts for nothing, and is no error:
 * owners of the version before sign beside those of this one.
 * @throws ManifestError `signatures_malformed`, or `signature_invalid` with every signature that does not hold.
 */
export async function verifySignatures(
  signatureOctets: Uint8Array,
  manifestOctets: Uint8Array,
): Promise<ReadonlySet<string>> {
  const document = parseSignatures(signatureOctets);
  const problems: Problem[] = [];
  if (document.manifest !== toBase64url(await sha256(manifestOctets)))
    problems.push({ path: 'manifest', message: 'is the digest of another manifest' });
  const message = await manifestMessage(manifestOctets);
  for (const [index, { key, signature }] of document.signatures.entries())
    if (!(await verifyEd25519(fromBase64url(key), fromBase64url(signature), message)))
      problems.push({ path: `signatures[${index}]`, message: 'is not this key’s over this manifest' });
  if (problems.length > 0) throw new ManifestError('signature_invalid', problems);
  return new Set(document.signatures.map(({ key }) => key));
}

/** Those of the holders who signed, each once. */
export function signersAmong(
  holders: readonly Pick<KeyHolder, 'ed25519'>[],
  signers: ReadonlySet<string>,
): number {
  return new Set(holders.map(({ ed25519 }) => ed25519).filter((key) => signers.has(key))).size;
}
