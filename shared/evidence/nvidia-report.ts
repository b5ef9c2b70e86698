// NVIDIA's GPU report: SPDM measurements in 64 blocks and the driver's description of the device.

import type { Bytes } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';
import { fromUtf8 } from '../bytes/utf8.ts';
import { EvidenceError } from './evidence-error.ts';
import { labelled } from './read-json.ts';
import { parseSpdmMeasurements, type SpdmMeasurements } from './spdm-measurements.ts';

/** Blocks in a GPU's report. */
export const GPU_BLOCKS = 64;

/** A GPU's report as read; the signature has not been checked yet. */
export interface NvidiaReport extends SpdmMeasurements {
  /** Such as `550.90.07`. */
  readonly driverVersion: string;
  /** Such as `96.00.9F.00.01`: five octets in hex. */
  readonly vbiosVersion: string;
  /** What the VBIOS was made for, as the vendor's names of reference files spell it: project, its SKU, the chip's SKU. */
  readonly board: { readonly project: string; readonly projectSku: string; readonly chipSku: string };
  /** SHA-384 of the firmware that made the leaf certificate, 48 octets. Absent with driver 535. */
  readonly fwid: Bytes | undefined;
  /** One GPU of a board whose switches have to be judged as well. */
  readonly protectedPcie: boolean;
}

// Types of the opaque fields that are read. The others are kept as octets: newer drivers add some.
const FIELD = {
  driver: 3,
  vbios: 6,
  chipSku: 15,
  project: 17,
  projectSku: 18,
  fwid: 20,
  protectedPcie: 21,
  feature: 36,
} as const;
const ON = 0xaa;
const OFF = 0x55;
const FEATURE_PROTECTED_PCIE = 2;
const NONCE_LABEL = 'cloister gpu nonce v1';

/**
 * Reads a GPU's report.
 * @throws EvidenceError `evidence_too_large` or `evidence_gpu_report_malformed`.
 */
export function parseNvidiaReport(octets: Uint8Array): NvidiaReport {
  const spdm = parseSpdmMeasurements(octets);
  if (spdm.measurements.length !== GPU_BLOCKS) throw malformed('not the blocks of a GPU');
  const { fields } = spdm;
  const fwid = fields.get(FIELD.fwid);
  if (fwid && fwid.length !== 48) throw malformed('FWID of another length');
  return {
    ...spdm,
    driverVersion: readText(fields, FIELD.driver, /^\d{1,4}(\.\d{1,4}){1,3}$/),
    vbiosVersion: readVbios(fields.get(FIELD.vbios)),
    board: {
      project: readText(fields, FIELD.project, /^[0-9A-Z]{1,16}$/),
      projectSku: readText(fields, FIELD.projectSku, /^[0-9A-Z]{1,16}$/),
      chipSku: readText(fields, FIELD.chipSku, /^[0-9A-Z]{1,16}$/),
    },
    fwid,
    protectedPcie: readProtectedPcie(fields),
  };
}

/** What a GPU is asked with: SHA-256( "cloister gpu nonce v1" ‖ 0x00 ‖ core digest ‖ freshness ), 32 octets. */
export function gpuNonceOf(coreDigest: Bytes, freshness: Bytes): Promise<Bytes> {
  // Two values of 32 octets each: a fixed length is what keeps the joint unambiguous.
  if (coreDigest.length !== 32 || freshness.length !== 32) throw new RangeError('digests have 32 octets');
  const both = new Uint8Array(64);
  both.set(coreDigest);
  both.set(freshness, 32);
  return sha256(labelled(NONCE_LABEL, both));
}

function readText(fields: ReadonlyMap<number, Bytes>, type: number, pattern: RegExp): string {
  const field = fields.get(type);
  if (!field || field.length > 32) throw malformed('text field missing');
  const end = field.indexOf(0);
  if (end < 0 || field.subarray(end).some((octet) => octet !== 0))
    throw malformed('text field without its end');
  const octets = field.subarray(0, end);
  if (octets.some((octet) => octet > 0x7e)) throw malformed('text field in another form');
  const text = fromUtf8(octets);
  if (!pattern.test(text)) throw malformed('text field in another form');
  return text;
}

// `00 9f 00 96 01 00 00 00` is 96.00.9F.00.01.
function readVbios(field: Bytes | undefined): string {
  if (field?.length !== 8 || field.subarray(5).some((octet) => octet !== 0))
    throw malformed('VBIOS version in another form');
  return [3, 2, 1, 0, 4]
    .map((index) => (field[index] as number).toString(16).toUpperCase().padStart(2, '0'))
    .join('.');
}

function readProtectedPcie(fields: ReadonlyMap<number, Bytes>): boolean {
  const status = fields.get(FIELD.protectedPcie);
  if (status && (status.length !== 1 || (status[0] !== ON && status[0] !== OFF)))
    throw malformed('protected PCIe neither on nor off');
  const feature = fields.get(FIELD.feature);
  if (
    feature &&
    (feature.length !== 2 || (feature[0] as number) > FEATURE_PROTECTED_PCIE || feature[1] !== 0)
  )
    throw malformed('unknown feature flag');
  return status?.[0] === ON || feature?.[0] === FEATURE_PROTECTED_PCIE;
}

function malformed(detail: string): EvidenceError {
  return new EvidenceError('evidence_gpu_report_malformed', detail);
}
