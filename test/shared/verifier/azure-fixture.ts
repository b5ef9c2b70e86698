// Writes a TPM's quote and the paravisor's report for tests, octet by octet.

import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';

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

/** An HCL report around a SEV-SNP report and the JSON that its report_data is a hash of: 2600 octets, as on Azure. */
export function writeHcl(report: Bytes, runtime: Bytes): Bytes {
  const blob = new Uint8Array(2600);
  const view = new DataView(blob.buffer);
  const word = (offset: number, value: number) => view.setUint32(offset, value, true);
  blob.set(toUtf8('HCLA'));
  word(4, 2);
  word(8, 1236 + runtime.length);
  word(12, 2);
  blob.set(report, 32);
  word(1216, 20 + runtime.length);
  word(1220, 1);
  word(1224, 2);
  word(1228, 1);
  word(1232, runtime.length);
  blob.set(runtime, 1236);
  return blob;
}
