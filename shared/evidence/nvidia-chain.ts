// The certificates of an NVIDIA device, leaf first, and what the leaf says about the device.

import type { Bytes } from '../bytes/concat.ts';
import { DerReader, TAG } from './der.ts';
import { NVIDIA_CHAIN_LENGTH } from './evidence-bounds.ts';
import { EvidenceError } from './evidence-error.ts';
import { type Certificate, parseCertificate } from './x509.ts';

/** A chain as read; nothing in it has been checked against the rest yet. */
export interface NvidiaChain {
  /** Leaf, device identity, provisioner, architecture, root. */
  readonly certificates: readonly [Certificate, Certificate, Certificate, Certificate, Certificate];
  /** First word of the leaf's common name: `GH100` is Hopper. */
  readonly architecture: string;
  /** SHA-384 of the firmware that the leaf was made for, 48 octets. */
  readonly fwid: Bytes;
  /** SubjectPublicKeyInfo of the key that made the leaf, where the leaf repeats it: Hopper and its switches. */
  readonly deviceKey: Bytes | undefined;
  /** The leaf's serial number in decimal: what NVIDIA's verdicts call `ueid`. */
  readonly ueid: string;
}

// TCG DICE Attestation Architecture: CompositeDeviceID of Hopper; DiceTcbInfo of Blackwell.
const OID_DEVICE_ID = '2.23.133.5.4.1';
const OID_TCB_INFO = '2.23.133.5.4.1.1';
const OID_SHA384 = '2.16.840.1.101.3.4.2.2';
const TAG_FWIDS = 0xa6;
const LEAF_NAME = /^([A-Z]{2}_?[0-9]{2,3}) [A-Z][0-9]{2} [A-Z]SP FMC LF$/;

/**
 * Reads the certificates.
 * @throws EvidenceError `evidence_too_large`, `evidence_algorithm_unsupported` or `evidence_certificate_malformed`.
 */
export function parseNvidiaChain(chain: readonly Uint8Array[]): NvidiaChain {
  if (chain.length !== NVIDIA_CHAIN_LENGTH) throw malformed('not a chain of five');
  const certificates = chain.map((der) => parseCertificate(der, 'nvidia'));
  const [leaf] = certificates as [Certificate];
  const architecture = LEAF_NAME.exec(leaf.subjectCommonName)?.[1];
  if (architecture === undefined) throw malformed('leaf is not a device’s');
  return {
    certificates: certificates as unknown as NvidiaChain['certificates'],
    architecture,
    ...readFirmware(leaf),
    ueid: BigInt(`0x${leaf.serial}`).toString(),
  };
}

function readFirmware(leaf: Certificate): Pick<NvidiaChain, 'fwid' | 'deviceKey'> {
  const deviceId = leaf.extensions.get(OID_DEVICE_ID);
  const tcbInfo = leaf.extensions.get(OID_TCB_INFO);
  if (deviceId && !tcbInfo) return readDeviceId(deviceId.value);
  if (tcbInfo && !deviceId) return { fwid: readTcbInfo(tcbInfo.value), deviceKey: undefined };
  throw malformed('exactly one firmware id expected');
}

function readDeviceId(value: Bytes): Pick<NvidiaChain, 'fwid' | 'deviceKey'> {
  const outer = new DerReader(value, 'evidence_certificate_malformed');
  const id = outer.enter(TAG.sequence);
  outer.end();
  if (id.takeSmallInteger() !== 1) throw id.error('unknown version of a device id');
  const deviceKey = id.take(TAG.sequence).whole;
  const fwid = readFwid(id);
  id.end();
  return { fwid, deviceKey };
}

// All fields are optional and implicitly tagged in ascending order; the first firmware id is the loader's.
function readTcbInfo(value: Bytes): Bytes {
  const outer = new DerReader(value, 'evidence_certificate_malformed');
  const info = outer.enter(TAG.sequence);
  outer.end();
  while (info.nextTag !== undefined && info.nextTag !== TAG_FWIDS) info.take(info.nextTag);
  return readFwid(info.enter(TAG_FWIDS));
}

function readFwid(parent: DerReader): Bytes {
  const fwid = parent.enter(TAG.sequence);
  if (fwid.takeOid() !== OID_SHA384) throw fwid.error('firmware id in another hash');
  const { content } = fwid.take(TAG.octetString);
  fwid.end();
  if (content.length !== 48) throw fwid.error('firmware id of another length');
  return content;
}

function malformed(detail: string): EvidenceError {
  return new EvidenceError('evidence_certificate_malformed', detail);
}
