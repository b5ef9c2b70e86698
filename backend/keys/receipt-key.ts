// The node's signing key: Ed25519, named in the core, made at start and never stored.

import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { fromBase64url } from '../../shared/bytes/base64url.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';

/** A handle that signs. The public half stands in the core (`receiptKey`), so what it signs is attested. */
export interface ReceiptKey {
  /** 32 octets, RFC 8032. */
  readonly publicOctets: Bytes;
  /** The public half as a JWK (RFC 8037). */
  readonly publicJwk: { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string };
  /** For jose, which takes a KeyObject; not extractable through this interface's users by convention of the room. */
  readonly signer: KeyObject;
}

/** Makes a fresh key pair. */
export function generateReceiptKey(): ReceiptKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  if (x === undefined) throw new Error('an Ed25519 key without x cannot happen');
  return { publicOctets: fromBase64url(x), publicJwk: { kty: 'OKP', crv: 'Ed25519', x }, signer: privateKey };
}
