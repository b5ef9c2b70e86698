// Writes and signs an attestation report, version 5, octet by octet (AMD 56860, ATTESTATION_REPORT).

import { type KeyObject, sign } from 'node:crypto';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { SNP_REPORT_BYTES, SNP_SIGNED_BYTES } from '../../../shared/evidence/snp-report.ts';
import type { Tcb } from '../../../shared/evidence/tcb.ts';

/** Everything in a report that differs between guests, machines and faults. */
export interface ReportRecipe {
  readonly guestPolicy: bigint;
  readonly platformInfo: bigint;
  readonly keyInfo: number;
  readonly vmpl: number;
  readonly reportData: Bytes;
  readonly measurement: Bytes;
  readonly reportId: Bytes;
  readonly cpu: { readonly family: number; readonly model: number; readonly stepping: number };
  readonly chipId: Bytes;
  readonly currentTcb: Tcb;
  readonly reportedTcb: Tcb;
  readonly committedTcb: Tcb;
  readonly launchTcb: Tcb;
  readonly mitigations: bigint;
}

/** API 1.58, build 2: the simulated firmware. */
const FIRMWARE = Uint8Array.of(2, 58, 1);

/** The report with its signature. The TCB layout is Genoa's. */
export function writeReport(recipe: ReportRecipe, chipKey: KeyObject): Bytes {
  const report = new Uint8Array(SNP_REPORT_BYTES);
  const view = new DataView(report.buffer);
  view.setUint32(0x000, 5, true);
  view.setBigUint64(0x008, recipe.guestPolicy, true);
  view.setUint32(0x030, recipe.vmpl, true);
  view.setUint32(0x034, 1, true);
  report.set(encodeTcb(recipe.currentTcb), 0x038);
  view.setBigUint64(0x040, recipe.platformInfo, true);
  view.setUint32(0x048, recipe.keyInfo, true);
  report.set(recipe.reportData, 0x050);
  report.set(recipe.measurement, 0x090);
  report.set(recipe.reportId, 0x140);
  report.fill(0xff, 0x160, 0x180);
  report.set(encodeTcb(recipe.reportedTcb), 0x180);
  report.set([recipe.cpu.family, recipe.cpu.model, recipe.cpu.stepping], 0x188);
  report.set(recipe.chipId, 0x1a0);
  report.set(encodeTcb(recipe.committedTcb), 0x1e0);
  report.set(FIRMWARE, 0x1e8);
  report.set(FIRMWARE, 0x1ec);
  report.set(encodeTcb(recipe.launchTcb), 0x1f0);
  view.setBigUint64(0x1f8, recipe.mitigations, true);
  view.setBigUint64(0x200, recipe.mitigations, true);
  const signature = sign('sha384', report.subarray(0, SNP_SIGNED_BYTES), {
    key: chipKey,
    dsaEncoding: 'ieee-p1363',
  });
  // AMD's R and S are little-endian, in fields of 72 octets.
  report.set(concat(signature.subarray(0, 48)).reverse(), 0x2a0);
  report.set(concat(signature.subarray(48)).reverse(), 0x2e8);
  return report;
}

function encodeTcb(tcb: Tcb): Bytes {
  return Uint8Array.of(tcb.bootLoader, tcb.tee, 0, 0, 0, 0, tcb.snp, tcb.microcode);
}
