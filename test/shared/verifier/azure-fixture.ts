// Writes a TPM's quote for tests, octet by octet.

import { type Bytes, concat } from '../../../shared/bytes/concat.ts';

/** TPMS_ATTEST over registers 4, 7 and 11 of the SHA-256 bank. */
export function writeQuote(extraData: Bytes, digest: Bytes): Bytes {
  const sized = (octets: Uint8Array) => concat(Uint8Array.of(0, octets.length), octets);
  return concat(
    Uint8Array.of(0xff, 0x54, 0x43, 0x47, 0x80, 0x18),
    sized(new Uint8Array(34).fill(1)),
    sized(extraData),
    new Uint8Array(8),
    Uint8Array.of(0, 0, 0, 2, 0, 0, 0, 1, 1),
    new Uint8Array(8),
    // One selection: SHA-256, three octets, registers 4, 7 and 11.
    Uint8Array.of(0, 0, 0, 1, 0, 0x0b, 3, 0x90, 0x08, 0),
    sized(digest),
  );
}
