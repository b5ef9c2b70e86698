// SHA-2 through WebCrypto, present in Node, workerd and browsers.

import type { Bytes } from './concat.ts';

/** SHA-256 of the octets: 32 octets. */
export async function sha256(bytes: Uint8Array): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Bytes));
}

/** SHA-512 of the octets: 64 octets. */
export async function sha512(bytes: Uint8Array): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-512', bytes as Bytes));
}
