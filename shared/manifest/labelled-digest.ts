// What a signer signs: a label that no other use has, a zero octet, and the digest of a document's exact octets.

import { type Bytes, concat } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';
import { toUtf8 } from '../bytes/utf8.ts';

/** label ‖ 0x00 ‖ SHA-256(octets). */
export async function labelledDigest(label: string, octets: Uint8Array): Promise<Bytes> {
  return concat(toUtf8(label), new Uint8Array(1), await sha256(octets));
}
