// Writes a GPU's report: an SPDM 1.1 question for measurements with its signed answer.

import { type KeyObject, sign } from 'node:crypto';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';

/** Blocks in a report. */
export const GPU_REPORT_BLOCKS = 64;
/** Opaque field types that the simulator writes (NVIDIA's numbers). */
export const GPU_FIELD = {
  driver: 3,
  vbios: 6,
  chipSku: 15,
  project: 17,
  projectSku: 18,
  fwid: 20,
  protectedPcie: 21,
  feature: 36,
} as const;

/** What a report is made from. */
export interface GpuReportRecipe {
  /** What the GPU is asked with, 32 octets. */
  readonly nonce: Uint8Array;
  /** 32 octets of the GPU's own. */
  readonly responderNonce: Uint8Array;
  /** Values of blocks by their number, 1 to 64, 48 octets each; the others are zero. */
  readonly measurements: ReadonlyMap<number, Bytes>;
  /** Opaque fields by type, in this order. */
  readonly fields: ReadonlyMap<number, Bytes>;
}

/** The report, signed by the leaf's key. */
export function writeGpuReport(recipe: GpuReportRecipe, signer: KeyObject): Bytes {
  // GET_MEASUREMENTS (0xe0): with signature, all blocks, slot 0.
  const question = concat(Uint8Array.of(0x11, 0xe0, 0x01, 0xff), recipe.nonce, Uint8Array.of(0));
  const blocks = Array.from({ length: GPU_REPORT_BLOCKS }, (_, index) => {
    const value = recipe.measurements.get(index + 1) ?? new Uint8Array(48);
    // Index, DMTF specification, its size, value type, size of the value.
    return concat(Uint8Array.of(index + 1, 1, 51, 0, 1, 48, 0), value);
  });
  const record = concat(...blocks);
  const opaque = concat(
    ...[...recipe.fields].map(([type, value]) =>
      concat(littleEndian(type, 2), littleEndian(value.length, 2), value),
    ),
  );
  const signed = concat(
    question,
    Uint8Array.of(0x11, 0x60, 0, 0, GPU_REPORT_BLOCKS),
    littleEndian(record.length, 3),
    record,
    recipe.responderNonce,
    littleEndian(opaque.length, 2),
    opaque,
  );
  return concat(signed, sign('sha384', signed, { key: signer, dsaEncoding: 'ieee-p1363' }));
}

/** A text field: its characters and a zero octet. */
export function textField(value: string): Bytes {
  return toUtf8(`${value}\0`);
}

function littleEndian(value: number, octets: number): Bytes {
  return Uint8Array.from({ length: octets }, (_, index) => (value >> (8 * index)) & 0xff);
}
