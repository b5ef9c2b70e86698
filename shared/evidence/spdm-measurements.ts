// An SPDM 1.1 GET_MEASUREMENTS request with its answer (DMTF DSP0274 section 10.11), as NVIDIA's devices hand them out: one after the other.

import { type Bytes, concat } from '../bytes/concat.ts';
import { SPDM_MAXIMUM_BYTES } from './evidence-bounds.ts';
import { EvidenceError } from './evidence-error.ts';

/** Octets of one measurement: SHA-384. */
export const MEASUREMENT_BYTES = 48;

const REQUEST_BYTES = 37;
const RECORD_OFFSET = REQUEST_BYTES + 8;
const BLOCK_BYTES = 7 + MEASUREMENT_BYTES;
const NONCE_BYTES = 32;
const SIGNATURE_BYTES = 96;

/** A request and its answer as read; the signature has not been checked yet. */
export interface SpdmMeasurements {
  /** Both messages without the signature: what is signed. */
  readonly signed: Bytes;
  /** r ‖ s, big-endian, 96 octets. */
  readonly signature: Bytes;
  /** What the requester asked with, 32 octets. */
  readonly requestNonce: Bytes;
  /** Values of 48 octets: item i is block i + 1. An unused block is all zero. */
  readonly measurements: readonly Bytes[];
  /** The vendor's own fields by type. */
  readonly fields: ReadonlyMap<number, Bytes>;
}

/**
 * Reads a request with its answer. One zero octet after the signature is passed over, because published captures have
 * it; nothing else may follow.
 * @throws EvidenceError `evidence_too_large` or `evidence_gpu_report_malformed`.
 */
export function parseSpdmMeasurements(octets: Uint8Array): SpdmMeasurements {
  if (octets.length > SPDM_MAXIMUM_BYTES)
    throw new EvidenceError('evidence_too_large', `device report over ${SPDM_MAXIMUM_BYTES} octets`);
  const all = concat(octets);
  if (all.length < RECORD_OFFSET) throw malformed('cut short');
  const view = new DataView(all.buffer);
  // Version 1.1, GET_MEASUREMENTS, signature requested, all measurements; slot 0.
  if (view.getUint32(0) !== 0x11e001ff || all[36] !== 0) throw malformed('another request');
  // Version 1.1, MEASUREMENTS, both parameters 0.
  if (view.getUint32(REQUEST_BYTES) !== 0x11600000) throw malformed('another answer');
  const blocks = view.getUint8(41);
  const recordBytes = view.getUint16(42, true) + 0x10000 * view.getUint8(44);
  if (blocks === 0 || recordBytes !== blocks * BLOCK_BYTES)
    throw malformed('record of another length than its blocks');

  const nonceOffset = RECORD_OFFSET + recordBytes;
  const opaqueOffset = nonceOffset + NONCE_BYTES + 2;
  if (all.length < opaqueOffset) throw malformed('cut short');
  const signatureOffset = opaqueOffset + view.getUint16(opaqueOffset - 2, true);
  const end = signatureOffset + SIGNATURE_BYTES;
  const trailing = all.subarray(end);
  if (all.length < end) throw malformed('cut short');
  if (trailing.length > 1 || (trailing.length === 1 && trailing[0] !== 0))
    throw malformed('octets after the signature');
  return {
    signed: all.subarray(0, signatureOffset),
    signature: all.subarray(signatureOffset, end),
    requestNonce: all.subarray(4, 36),
    measurements: Array.from({ length: blocks }, (_, index) => readBlock(all, view, index)),
    fields: readFields(all.subarray(opaqueOffset, signatureOffset)),
  };
}

// DSP0274 table 45 and 46: index, specification 1 (DMTF), size; type of the value, size of the value.
function readBlock(all: Bytes, view: DataView, index: number): Bytes {
  const offset = RECORD_OFFSET + index * BLOCK_BYTES;
  if (view.getUint8(offset) !== index + 1 || view.getUint8(offset + 1) !== 1)
    throw malformed('block out of order');
  if (view.getUint16(offset + 2, true) !== BLOCK_BYTES - 4) throw malformed('block of another length');
  if (view.getUint16(offset + 5, true) !== MEASUREMENT_BYTES)
    throw malformed('measurement of another length');
  return all.subarray(offset + 7, offset + BLOCK_BYTES);
}

function readFields(opaque: Bytes): ReadonlyMap<number, Bytes> {
  const fields = new Map<number, Bytes>();
  const view = new DataView(opaque.buffer, opaque.byteOffset, opaque.length);
  let offset = 0;
  while (offset < opaque.length) {
    if (offset + 4 > opaque.length) throw malformed('field cut short');
    const type = view.getUint16(offset, true);
    const end = offset + 4 + view.getUint16(offset + 2, true);
    if (end > opaque.length) throw malformed('field cut short');
    if (fields.has(type)) throw malformed('field occurs twice');
    fields.set(type, opaque.subarray(offset + 4, end));
    offset = end;
  }
  return fields;
}

function malformed(detail: string): EvidenceError {
  return new EvidenceError('evidence_gpu_report_malformed', detail);
}
