// A TPM 2.0 quote (TPMS_ATTEST with TPMS_QUOTE_INFO; TCG TPM 2.0 Library part 2, sections 10.12 and 6.2).

import { type Bytes, concat } from '../bytes/concat.ts';
import { PCR_COUNT, TPM_QUOTE_MAXIMUM_BYTES } from './evidence-bounds.ts';
import { EvidenceError } from './evidence-error.ts';

/** A quote over the SHA-256 bank, as read; the signature has not been checked yet. */
export interface TpmQuote {
  /** The signed octets. */
  readonly signed: Bytes;
  /** What the caller qualified the quote with, at most 64 octets. */
  readonly extraData: Bytes;
  /** Numbers of the quoted registers, ascending. */
  readonly selected: readonly number[];
  /** SHA-256 over the values of the quoted registers in order, 32 octets. */
  readonly pcrDigest: Bytes;
  /** How often the TPM was reset and restarted: a lower number than one seen before is another TPM or an older quote. */
  readonly resetCount: number;
  readonly restartCount: number;
}

const MAGIC = 0xff544347;
const ST_ATTEST_QUOTE = 0x8018;
const ALG_SHA256 = 0x000b;

/**
 * Reads a quote that covers registers of the SHA-256 bank and of no other.
 * @throws EvidenceError `evidence_too_large` or `evidence_tpm_quote_malformed`.
 */
export function parseTpmQuote(octets: Uint8Array): TpmQuote {
  if (octets.length > TPM_QUOTE_MAXIMUM_BYTES)
    throw new EvidenceError('evidence_too_large', `TPM quote over ${TPM_QUOTE_MAXIMUM_BYTES} octets`);
  const signed = concat(octets);
  const view = new DataView(signed.buffer);
  let offset = 0;
  const skip = (length: number): number => {
    const start = offset;
    if (start + length > signed.length) throw malformed('cut short');
    offset += length;
    return start;
  };
  const octet = () => view.getUint8(skip(1));
  const half = () => view.getUint16(skip(2));
  const word = () => view.getUint32(skip(4));
  const sized = (maximum: number): Bytes => {
    const length = half();
    if (length > maximum) throw malformed('value too long');
    const start = skip(length);
    return signed.subarray(start, start + length);
  };

  if (word() !== MAGIC || half() !== ST_ATTEST_QUOTE) throw malformed('not a quote');
  sized(66);
  const extraData = sized(64);
  skip(8);
  const resetCount = word();
  const restartCount = word();
  if (octet() > 1) throw malformed('clock flag neither yes nor no');
  skip(8);
  if (word() !== 1 || half() !== ALG_SHA256 || octet() !== PCR_COUNT / 8)
    throw malformed('not one selection of the SHA-256 bank');
  const bits = Array.from({ length: PCR_COUNT / 8 }, octet);
  const pcrDigest = sized(32);
  if (pcrDigest.length !== 32 || offset !== signed.length) throw malformed('digest in another form');
  const selected = Array.from({ length: PCR_COUNT }, (_, index) => index).filter(
    (index) => ((bits[index >> 3] as number) >> (index & 7)) & 1,
  );
  return { signed, extraData, selected, pcrDigest, resetCount, restartCount };
}

function malformed(detail: string): EvidenceError {
  return new EvidenceError('evidence_tpm_quote_malformed', detail);
}
