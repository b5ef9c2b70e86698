// Azure's report behind the vTPM (HCL, NV index 0x01400001): a hardware report, and the JSON that its report_data is a hash of.

import { fromBase64url } from '../bytes/base64url.ts';
import { type Bytes, concat } from '../bytes/concat.ts';
import { fromHex } from '../bytes/hex.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';
import { HCL_MAXIMUM_BYTES } from './evidence-bounds.ts';
import { EvidenceError } from './evidence-error.ts';
import { SNP_REPORT_BYTES } from './snp-report.ts';

/** The JSON as read; its hash has not been checked. */
export interface RuntimeData {
  /** The exact octets of the JSON: their SHA-256 begins REPORT_DATA. */
  readonly runtimeData: Bytes;
  /** The vTPM's attestation key out of the JSON: RSA, members of a JWK as base64url. */
  readonly attestationKey: { readonly n: string; readonly e: string };
  /** What the paravisor says about the VM. */
  readonly vm: { readonly secureBoot: boolean; readonly consoleEnabled: boolean };
  /** What the guest wrote into NV index 0x01400002, 64 octets. */
  readonly userData: Bytes;
}

/** The blob as read; neither hash nor hardware report has been checked. */
export interface HclReport extends RuntimeData {
  readonly tee: 'sev-snp' | 'tdx';
  /** SEV-SNP: the report, 1184 octets. TDX: a TDREPORT, 1024 octets, which nothing signs. */
  readonly hardwareReport: Bytes;
  /** REPORT_DATA of the hardware report, 64 octets. */
  readonly reportData: Bytes;
}

const HARDWARE_OFFSET = 32;
const RUNTIME_OFFSET = 1216;
const JSON_OFFSET = 1236;
const RUNTIME_HEADER_BYTES = JSON_OFFSET - RUNTIME_OFFSET;
const TDREPORT_BYTES = 1024;
/** REPORTDATA in an SNP report (AMD 56860) and in a TDREPORT (REPORTMACSTRUCT, Intel TDX module ABI). */
const REPORT_DATA_OFFSET = { 'sev-snp': 0x50, tdx: 128 } as const;
const SHA256 = 1;

/**
 * Reads the blob. Everything outside the hardware report and the JSON has one allowed value, because nothing signs it.
 * @throws EvidenceError `evidence_too_large` or `evidence_hcl_malformed`.
 */
export function parseHclReport(octets: Uint8Array): HclReport {
  if (octets.length > HCL_MAXIMUM_BYTES)
    throw new EvidenceError('evidence_too_large', `HCL report over ${HCL_MAXIMUM_BYTES} octets`);
  const all = concat(octets);
  if (all.length < JSON_OFFSET) throw malformed('cut short');
  const view = new DataView(all.buffer);
  const word = (offset: number) => view.getUint32(offset, true);
  if (view.getUint32(0) !== 0x48434c41) throw malformed('not an HCL report');
  if (word(4) !== 1 && word(4) !== 2) throw malformed('unknown version');
  if (word(12) !== 2 || isSet(all.subarray(16, HARDWARE_OFFSET))) throw malformed('header in another form');
  const jsonBytes = word(1232);
  const end = JSON_OFFSET + jsonBytes;
  if (word(8) !== end || word(RUNTIME_OFFSET) !== RUNTIME_HEADER_BYTES + jsonBytes || end > all.length)
    throw malformed('lengths that do not agree');
  if (word(1220) !== 1 || word(1228) !== SHA256) throw malformed('runtime data in another form');
  const type = word(1224);
  if (type !== 2 && type !== 4) throw malformed('neither SEV-SNP nor TDX');
  const tee = type === 2 ? 'sev-snp' : 'tdx';
  const hardwareBytes = tee === 'sev-snp' ? SNP_REPORT_BYTES : TDREPORT_BYTES;
  const hardwareEnd = HARDWARE_OFFSET + hardwareBytes;
  if (isSet(all.subarray(hardwareEnd, RUNTIME_OFFSET)) || isSet(all.subarray(end)))
    throw malformed('padding that is not zero');
  const hardwareReport = all.subarray(HARDWARE_OFFSET, hardwareEnd);
  const at = REPORT_DATA_OFFSET[tee];
  return {
    tee,
    hardwareReport,
    reportData: hardwareReport.subarray(at, at + 64),
    ...parseRuntimeData(all.subarray(JSON_OFFSET, end)),
  };
}

/**
 * Reads the JSON of the blob. Microsoft may add members, so what is not read is passed over; the hash covers all of it.
 * @throws EvidenceError `evidence_too_large` or `evidence_hcl_malformed`.
 */
export function parseRuntimeData(octets: Uint8Array): RuntimeData {
  if (octets.length > HCL_MAXIMUM_BYTES)
    throw new EvidenceError('evidence_too_large', `runtime data over ${HCL_MAXIMUM_BYTES} octets`);
  let document: unknown;
  try {
    document = parseStrictJson(octets);
  } catch {
    throw malformed('runtime data is not JSON');
  }
  if (!isObject(document)) throw malformed('runtime data is not an object');
  const vm = document['vm-configuration'];
  if (!isObject(vm)) throw malformed('no VM configuration');
  return {
    runtimeData: concat(octets),
    attestationKey: readAttestationKey(document.keys),
    vm: { secureBoot: vm['secure-boot'] === true, consoleEnabled: vm['console-enabled'] !== false },
    userData: readUserData(document['user-data']),
  };
}

function readAttestationKey(keys: unknown): HclReport['attestationKey'] {
  if (!Array.isArray(keys) || keys.length > 8) throw malformed('no keys');
  const named = (keys as readonly unknown[]).filter(
    (key): key is Record<string, unknown> => isObject(key) && key.kid === 'HCLAkPub',
  );
  const [key] = named;
  if (!key || named.length !== 1) throw malformed('exactly one attestation key expected');
  const { kty, n, e, key_ops } = key;
  if (kty !== 'RSA' || e !== 'AQAB' || typeof n !== 'string' || n.length > 1024)
    throw malformed('attestation key in another form');
  if (!Array.isArray(key_ops) || key_ops.length !== 1 || key_ops[0] !== 'sign')
    throw malformed('attestation key for another use');
  try {
    const modulus = fromBase64url(n);
    if (modulus.length >= 256 && (modulus[0] as number) >= 0x80) return { n, e };
  } catch {
    // falls through to the one refusal
  }
  throw malformed('attestation key in another form');
}

function readUserData(value: unknown): Bytes {
  if (typeof value !== 'string' || !/^[0-9A-Fa-f]{128}$/.test(value)) throw malformed('no user data');
  return fromHex(value.toLowerCase());
}

function isSet(octets: Bytes): boolean {
  return octets.some((octet) => octet !== 0);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(detail: string): EvidenceError {
  return new EvidenceError('evidence_hcl_malformed', detail);
}
