// Owners for tests: keys made from a seed, so that a test says who signed and nothing else.

import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { fromBase64url, toBase64url } from '../../../shared/bytes/base64url.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { fromHex } from '../../../shared/bytes/hex.ts';
import type { KeyHolder } from '../../../shared/manifest/key-holders.ts';
import { encodeManifest, type Manifest, manifestDigest } from '../../../shared/manifest/manifest.ts';
import type { SignedManifest } from '../../../shared/manifest/manifest-history.ts';
import {
  addSignature,
  encodeSignatures,
  noSignatures,
} from '../../../shared/manifest/manifest-signatures.ts';

/** RFC 8410: what stands before the 32 octets of an Ed25519 private key in PKCS #8. */
const PKCS8_PREFIX = fromHex('302e020100300506032b657004220420');

/** Somebody with a key. */
export interface Signer extends KeyHolder {
  readonly sign: (message: Uint8Array) => Bytes;
  readonly privateKey: KeyObject;
}

/** The same name has the same key in every run. */
export function signer(name: string): Signer {
  const seed = new Uint8Array(32).map((_, i) => name.charCodeAt(i % name.length) ^ i);
  const privateKey = createPrivateKey({
    key: Buffer.from(concat(PKCS8_PREFIX, seed)),
    format: 'der',
    type: 'pkcs8',
  });
  const { x = '' } = privateKey.export({ format: 'jwk' });
  return {
    name,
    ed25519: x,
    privateKey,
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  };
}

/** As a manifest names them. */
export function holders(...signers: readonly Signer[]): readonly KeyHolder[] {
  return signers.map(({ name, ed25519 }) => ({ name, ed25519 }));
}

/** The manifest's octets with signatures of these. */
export async function signedBy(
  manifest: Manifest | Bytes,
  ...signers: readonly Signer[]
): Promise<SignedManifest & { readonly signatures: Bytes }> {
  const octets = manifest instanceof Uint8Array ? manifest : encodeManifest(manifest);
  let document = await noSignatures(octets);
  for (const { ed25519, sign: signWith } of signers)
    document = await addSignature(document, octets, ed25519, signWith);
  return { manifest: octets, signatures: encodeSignatures(document) };
}

/** The next version: serial and previous set, the rest as before or as changed. */
export async function nextOf(before: Manifest, changes: Partial<Manifest> = {}): Promise<Manifest> {
  const previous = toBase64url(await manifestDigest(encodeManifest(before)));
  return { ...before, serial: before.serial + 1, previous, ...changes };
}

/** base64url → octets, for tests that flip them. */
export const octetsOf = fromBase64url;
