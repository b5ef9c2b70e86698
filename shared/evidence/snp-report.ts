// The SEV-SNP attestation report, versions 2 to 5: every field, every reserved octet (AMD 56860, ATTESTATION_REPORT).

import { type Bytes, concat } from '../bytes/concat.ts';
import { EvidenceError } from './evidence-error.ts';
import { decodeTcb, type SnpProduct, type Tcb } from './tcb.ts';

/** Size of a report. */
export const SNP_REPORT_BYTES = 1184;
/** The first so many octets are signed. */
export const SNP_SIGNED_BYTES = 0x2a0;
/** VMPL of a report that the host asked for, not the guest. */
export const VMPL_HOST = 0xffffffff;

/** What the guest owner demanded at launch; part of the signed report. */
export interface GuestPolicy {
  readonly abiMinor: number;
  readonly abiMajor: number;
  readonly smtAllowed: boolean;
  readonly migrateMa: boolean;
  readonly debug: boolean;
  readonly singleSocket: boolean;
  readonly cxlAllowed: boolean;
  readonly memAes256Xts: boolean;
  readonly raplDisabled: boolean;
  readonly ciphertextHiding: boolean;
  readonly pageSwapDisabled: boolean;
}

/** What the host has now. */
export interface PlatformInfo {
  readonly smtEnabled: boolean;
  readonly tsmeEnabled: boolean;
  readonly eccEnabled: boolean;
  readonly raplDisabled: boolean;
  readonly ciphertextHiding: boolean;
  readonly aliasCheckComplete: boolean;
  readonly iommuWriteSafe: boolean;
  readonly tioEnabled: boolean;
  /** Bits without a known meaning, as hex; `0` when none is set. */
  readonly unknownBits: string;
}

export interface CpuId {
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
}

export interface FirmwareVersion {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

/** A report as read. Nothing in it is believed before its signature is verified. */
export interface SnpReport {
  readonly version: 2 | 3 | 4 | 5;
  readonly guestSvn: number;
  readonly policy: GuestPolicy;
  readonly familyId: Bytes;
  readonly imageId: Bytes;
  readonly vmpl: number;
  readonly platform: PlatformInfo;
  readonly authorKeyEnabled: boolean;
  readonly maskChipKey: boolean;
  readonly signingKey: 'vcek' | 'vlek' | 'none';
  readonly reportData: Bytes;
  readonly measurement: Bytes;
  readonly hostData: Bytes;
  readonly idKeyDigest: Bytes;
  readonly authorKeyDigest: Bytes;
  readonly reportId: Bytes;
  readonly reportIdMa: Bytes;
  /** Absent in version 2. */
  readonly cpu: CpuId | undefined;
  readonly chipId: Bytes;
  /** Raw: the layout is known only with the product, see `readTcbs`. */
  readonly currentTcb: Bytes;
  readonly reportedTcb: Bytes;
  readonly committedTcb: Bytes;
  readonly launchTcb: Bytes;
  readonly currentVersion: FirmwareVersion;
  readonly committedVersion: FirmwareVersion;
  /** Zero before version 5. */
  readonly launchMitigations: bigint;
  readonly currentMitigations: bigint;
  /** The octets that are signed. */
  readonly signed: Bytes;
  /** r ‖ s, big-endian, 96 octets, as WebCrypto and noble take them. */
  readonly signature: Bytes;
}

/**
 * Reads a report.
 * @throws EvidenceError `evidence_report_malformed`: another size, version or algorithm, or a reserved bit that is set.
 */
export function parseSnpReport(octets: Uint8Array): SnpReport {
  if (octets.length !== SNP_REPORT_BYTES) throw malformed(`not ${SNP_REPORT_BYTES} octets`);
  const bytes = concat(octets);
  const view = new DataView(bytes.buffer);
  const slice = (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const version = readVersion(view.getUint32(0, true));
  if (view.getUint32(0x034, true) !== 1) throw malformed('signature algorithm is not ECDSA P-384');

  refuseSet(slice(0x04c, 4));
  refuseSet(slice(0x18b, 21));
  refuseSet(slice(0x1eb, 1));
  refuseSet(slice(0x1ef, 1));
  refuseSet(slice(0x208, 152));
  refuseSet(slice(0x330, 368));
  if (version === 2) refuseSet(slice(0x188, 3));
  if (version < 5) refuseSet(slice(0x1f8, 16));

  const vmpl = view.getUint32(0x030, true);
  if (vmpl > 3 && vmpl !== VMPL_HOST) throw malformed('VMPL out of range');
  const keyInfo = view.getUint32(0x048, true);

  return {
    version,
    guestSvn: view.getUint32(0x004, true),
    policy: readPolicy(view.getBigUint64(0x008, true)),
    familyId: slice(0x010, 16),
    imageId: slice(0x020, 16),
    vmpl,
    platform: readPlatform(view.getBigUint64(0x040, true)),
    authorKeyEnabled: (keyInfo & 1) !== 0,
    maskChipKey: (keyInfo & 2) !== 0,
    signingKey: readSigningKey(keyInfo),
    reportData: slice(0x050, 64),
    measurement: slice(0x090, 48),
    hostData: slice(0x0c0, 32),
    idKeyDigest: slice(0x0e0, 48),
    authorKeyDigest: slice(0x110, 48),
    reportId: slice(0x140, 32),
    reportIdMa: slice(0x160, 32),
    cpu: version === 2 ? undefined : readCpu(slice(0x188, 3)),
    chipId: slice(0x1a0, 64),
    currentTcb: slice(0x038, 8),
    reportedTcb: slice(0x180, 8),
    committedTcb: slice(0x1e0, 8),
    launchTcb: slice(0x1f0, 8),
    currentVersion: readFirmware(slice(0x1e8, 3)),
    committedVersion: readFirmware(slice(0x1ec, 3)),
    launchMitigations: view.getBigUint64(0x1f8, true),
    currentMitigations: view.getBigUint64(0x200, true),
    signed: slice(0, SNP_SIGNED_BYTES),
    signature: concat(bigEndian(slice(0x2a0, 72)), bigEndian(slice(0x2e8, 72))),
  };
}

/** The product that a CPUID names in AMD's key distribution, or undefined for a CPU that is not known. */
export function productOf(cpu: CpuId): SnpProduct | undefined {
  if (cpu.family === 0x19 && cpu.model <= 0x0f) return 'Milan';
  if (cpu.family === 0x19 && cpu.model <= 0x1f) return 'Genoa';
  if (cpu.family === 0x19 && cpu.model >= 0xa0 && cpu.model <= 0xaf) return 'Genoa';
  if (cpu.family === 0x1a && cpu.model <= 0x1f) return 'Turin';
  return undefined;
}

/**
 * The four TCBs of a report in the product's layout.
 * @throws EvidenceError `evidence_report_malformed` when an octet without meaning in that layout is set.
 */
export function readTcbs(
  report: SnpReport,
  product: SnpProduct,
): {
  readonly current: Tcb;
  readonly reported: Tcb;
  readonly committed: Tcb;
  readonly launch: Tcb;
} {
  const decode = (octets: Bytes): Tcb => {
    const tcb = decodeTcb(octets, product);
    if (!tcb) throw malformed('TCB of another layout');
    return tcb;
  };
  return {
    current: decode(report.currentTcb),
    reported: decode(report.reportedTcb),
    committed: decode(report.committedTcb),
    launch: decode(report.launchTcb),
  };
}

function readVersion(version: number): SnpReport['version'] {
  if (version === 2 || version === 3 || version === 4 || version === 5) return version;
  throw malformed('report version is not 2, 3, 4 or 5');
}

function readPolicy(policy: bigint): GuestPolicy {
  const bit = (index: bigint) => ((policy >> index) & 1n) === 1n;
  if (!bit(17n)) throw malformed('policy bit 17 is not set');
  if (policy >> 26n !== 0n) throw malformed('reserved policy bit set');
  return {
    abiMinor: Number(policy & 0xffn),
    abiMajor: Number((policy >> 8n) & 0xffn),
    smtAllowed: bit(16n),
    migrateMa: bit(18n),
    debug: bit(19n),
    singleSocket: bit(20n),
    cxlAllowed: bit(21n),
    memAes256Xts: bit(22n),
    raplDisabled: bit(23n),
    ciphertextHiding: bit(24n),
    pageSwapDisabled: bit(25n),
  };
}

// Bits 8 to 63 are judged by the verifier, with its own code, because firmware newer than this file will set one.
function readPlatform(info: bigint): PlatformInfo {
  const bit = (index: bigint) => ((info >> index) & 1n) === 1n;
  return {
    smtEnabled: bit(0n),
    tsmeEnabled: bit(1n),
    eccEnabled: bit(2n),
    raplDisabled: bit(3n),
    ciphertextHiding: bit(4n),
    aliasCheckComplete: bit(5n),
    iommuWriteSafe: bit(6n),
    tioEnabled: bit(7n),
    unknownBits: ((info >> 8n) << 8n).toString(16),
  };
}

function readSigningKey(keyInfo: number): SnpReport['signingKey'] {
  if (keyInfo >>> 5 !== 0) throw malformed('reserved key information set');
  const kind = (keyInfo >>> 2) & 7;
  if (kind === 0) return 'vcek';
  if (kind === 1) return 'vlek';
  if (kind === 7) return 'none';
  throw malformed('unknown signing key');
}

function readCpu(octets: Bytes): CpuId {
  const [family = 0, model = 0, stepping = 0] = octets;
  return { family, model, stepping };
}

function readFirmware(octets: Bytes): FirmwareVersion {
  const [build = 0, minor = 0, major = 0] = octets;
  return { major, minor, build };
}

// R and S are 72-octet little-endian fields around 48-octet numbers.
function bigEndian(field: Bytes): Bytes {
  refuseSet(field.subarray(48));
  return field.slice(0, 48).reverse();
}

function refuseSet(octets: Bytes): void {
  if (octets.some((octet) => octet !== 0)) throw malformed('reserved octet set');
}

function malformed(detail: string): EvidenceError {
  return new EvidenceError('evidence_report_malformed', detail);
}
