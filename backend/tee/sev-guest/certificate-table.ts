// The table of certificates that a host gives with an extended report (GHCB specification 2.0, section 4.1.8.1).

import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import type { OfferedCertificates } from '../endorsement-source.ts';
import { TeeError } from '../tee-driver.ts';

const ENTRY_BYTES = 24;
const GUID_BYTES = 16;
const ENTRIES_MAXIMUM = 16;
/** Octets as RFC 4122 writes them. */
const GUID = {
  vcek: '63da758de6644564adc5f4b93be8accd',
  vlek: 'a8074bc2a25a483eaae639c045a0b8a1',
  ask: '4ab7b379bbac4fe4a02f05aef327c782',
  ark: 'c0b406a4a803495297433fb6014cd0ae',
} as const;

/**
 * Reads the table: entries of 16 octets of GUID, offset and length (u32, little-endian), closed by one of zeros. Unknown
 * entries are passed over; an empty or absent table offers nothing.
 * @throws TeeError `tee_answer_malformed` for offsets outside the table, an entry twice or a table without its end.
 */
export function readCertificateTable(table: Uint8Array): OfferedCertificates {
  const octets = concat(table);
  const view = new DataView(octets.buffer);
  const found = new Map<string, Bytes>();
  for (let index = 0; index * ENTRY_BYTES + ENTRY_BYTES <= octets.length; index++) {
    const at = index * ENTRY_BYTES;
    const entry = octets.subarray(at, at + ENTRY_BYTES);
    if (entry.every((octet) => octet === 0)) return toOffer(found);
    if (index === ENTRIES_MAXIMUM) throw malformed('more entries than anybody has certificates');
    const guid = toHex(entry.subarray(0, GUID_BYTES));
    const offset = view.getUint32(at + GUID_BYTES, true);
    const length = view.getUint32(at + GUID_BYTES + 4, true);
    if (offset + length > octets.length || offset < at + ENTRY_BYTES)
      throw malformed('an entry outside the table');
    if (found.has(guid)) throw malformed('an entry twice');
    found.set(guid, concat(octets.subarray(offset, offset + length)));
  }
  if (octets.length === 0) return {};
  throw malformed('no end');
}

function toOffer(found: ReadonlyMap<string, Bytes>): OfferedCertificates {
  const vcek = found.get(GUID.vcek);
  const vlek = found.get(GUID.vlek);
  const ask = found.get(GUID.ask);
  const ark = found.get(GUID.ark);
  const leaf = vcek
    ? ({ kind: 'vcek', certificate: vcek } as const)
    : vlek && ({ kind: 'vlek', certificate: vlek } as const);
  return { ...(leaf && { leaf }), ...(ask && { ask }), ...(ark && { ark }) };
}

function malformed(detail: string): TeeError {
  return new TeeError('tee_answer_malformed', `the host's certificate table: ${detail}`);
}
