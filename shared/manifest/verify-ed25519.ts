// Ed25519 as strict as it gets (RFC 8032 section 5.1.7, cofactorless): every provider gives the same verdict on every input.

import { fromBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { refuse, type Shape } from '../bytes/shape.ts';

const POINT_OCTETS = 32;
const SIGNATURE_OCTETS = 64;
/** 2^255 - 19. */
const FIELD = 2n ** 255n - 19n;
/** Order of the base point. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const ORDER_8_Y = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
/**
 * The y coordinates of the eight points of small order: such a key signs everything, and such an R makes signatures that fit several
 * keys. With either sign of x, so the spellings that RFC 8032 forbids for x = 0 are refused with them.
 */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([0n, 1n, FIELD - 1n, ORDER_8_Y, FIELD - ORDER_8_Y]);

/** Whether 32 octets can be a public key: canonical, and not of small order. Whether they lie on the curve shows when verifying. */
export function isPlausiblePoint(point: Uint8Array): boolean {
  if (point.length !== POINT_OCTETS) return false;
  const y = littleEndian(point) & (2n ** 255n - 1n);
  return y < FIELD && !SMALL_ORDER_Y.has(y);
}

/**
 * Verifies a signature: 32 octets of R, 32 of S. False for a key or an R of small order or with a second spelling, for S not below the
 * order (malleable), and for everything that is not a signature of this message by this key. Never throws.
 * WebCrypto where the runtime has the algorithm, else @noble/curves, which is loaded only then.
 */
export async function verifyEd25519(key: Bytes, signature: Bytes, message: Bytes): Promise<boolean> {
  if (signature.length !== SIGNATURE_OCTETS) return false;
  const r = signature.subarray(0, POINT_OCTETS);
  if (!isPlausiblePoint(key) || !isPlausiblePoint(r)) return false;
  if (littleEndian(signature.subarray(POINT_OCTETS)) >= ORDER) return false;
  try {
    const imported = await crypto.subtle.importKey('raw', key, 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify('Ed25519', imported, signature, message);
  } catch {
    // No Ed25519 here, or a key that is not on the curve: the second provider tells them apart.
    return verifyByNoble(key, signature, message);
  }
}

/** The same check in JavaScript: [S]B - [k]A, encoded, must be R. Expects what `verifyEd25519` checked first. */
export async function verifyByNoble(key: Bytes, signature: Bytes, message: Bytes): Promise<boolean> {
  const { ed25519 } = await import('@noble/curves/ed25519.js');
  const { Point } = ed25519;
  const r = signature.subarray(0, POINT_OCTETS);
  const hashed = new Uint8Array(r.length + key.length + message.length);
  hashed.set(r);
  hashed.set(key, r.length);
  hashed.set(message, r.length + key.length);
  const k = littleEndian(new Uint8Array(await crypto.subtle.digest('SHA-512', hashed))) % ORDER;
  try {
    const a = Point.fromBytes(key);
    const s = littleEndian(signature.subarray(POINT_OCTETS));
    const expected = Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k)).toBytes();
    return expected.every((octet, i) => octet === r[i]);
  } catch {
    return false;
  }
}

/** A public key as base64url of 32 octets, kept as text. */
export const ed25519Key: Shape<string> = (value, path, problems) => {
  if (typeof value === 'string' && value.length === 43) {
    try {
      if (isPlausiblePoint(fromBase64url(value))) return value;
    } catch {
      // falls through to the one refusal
    }
  }
  return refuse(path, 'must be base64url of an Ed25519 public key', problems);
};

function littleEndian(octets: Uint8Array): bigint {
  let value = 0n;
  for (let i = octets.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(octets[i] as number);
  return value;
}
