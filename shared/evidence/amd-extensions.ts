// The extensions of VCEK and VLEK certificates under 1.3.6.1.4.1.3704.1 (AMD 57230, "VCEK Certificate and KDS Interface").

import type { Bytes } from '../bytes/concat.ts';
import { fromUtf8 } from '../bytes/utf8.ts';
import { DerReader, TAG } from './der.ts';
import { EvidenceError } from './evidence-error.ts';
import type { Tcb } from './tcb.ts';
import type { Certificate } from './x509.ts';

const BASE = '1.3.6.1.4.1.3704.1';

/** Object identifiers of the extensions. */
export const AMD_OID = {
  structVersion: `${BASE}.1`,
  productName: `${BASE}.2`,
  bootLoader: `${BASE}.3.1`,
  tee: `${BASE}.3.2`,
  snp: `${BASE}.3.3`,
  spare4: `${BASE}.3.4`,
  spare5: `${BASE}.3.5`,
  spare6: `${BASE}.3.6`,
  spare7: `${BASE}.3.7`,
  microcode: `${BASE}.3.8`,
  fmc: `${BASE}.3.9`,
  hwId: `${BASE}.4`,
  cspId: `${BASE}.5`,
} as const;

/** What a leaf certificate says about chip, provider and firmware. */
export interface LeafExtensions {
  /** 0: Milan and Genoa. 1: Turin. */
  readonly structVersion: number;
  /** A hint such as `Milan-B0`: it has been wrong on real certificates, the root decides the product. */
  readonly productName: string;
  /** The firmware that the key was derived for. */
  readonly tcb: Tcb;
  /** VCEK: the chip, 64 octets, on Turin 8. VLEK: the provider, such as `CN=cc-us-east-2.amazonaws.com`. */
  readonly holder:
    | { readonly kind: 'vcek'; readonly hwId: Bytes }
    | { readonly kind: 'vlek'; readonly cspId: string };
}

/**
 * Reads the extensions of a leaf.
 * @throws EvidenceError `evidence_certificate_malformed` when one is missing or malformed, when a spare level is set,
 *   or unless exactly one of hwID and CSP_ID is there.
 */
export function readLeafExtensions(certificate: Certificate): LeafExtensions {
  const structVersion = level(certificate, AMD_OID.structVersion);
  if (structVersion > 1) throw malformed('unknown structVersion');
  for (const spare of [AMD_OID.spare4, AMD_OID.spare5, AMD_OID.spare6, AMD_OID.spare7])
    if (certificate.extensions.has(spare) && level(certificate, spare) !== 0)
      throw malformed('spare level set');
  const turin = structVersion === 1;
  if (certificate.extensions.has(AMD_OID.fmc) !== turin) throw malformed('FMC level on the wrong product');
  return {
    structVersion,
    productName: ia5(certificate, AMD_OID.productName),
    tcb: {
      fmc: turin ? level(certificate, AMD_OID.fmc) : 0,
      bootLoader: level(certificate, AMD_OID.bootLoader),
      tee: level(certificate, AMD_OID.tee),
      snp: level(certificate, AMD_OID.snp),
      microcode: level(certificate, AMD_OID.microcode),
    },
    holder: readHolder(certificate, turin ? 8 : 64),
  };
}

function readHolder(certificate: Certificate, hwIdBytes: number): LeafExtensions['holder'] {
  const hwId = certificate.extensions.get(AMD_OID.hwId)?.value;
  const hasCsp = certificate.extensions.has(AMD_OID.cspId);
  if ((hwId !== undefined) === hasCsp) throw malformed('exactly one of hwID and CSP_ID expected');
  if (hwId === undefined) return { kind: 'vlek', cspId: ia5(certificate, AMD_OID.cspId) };
  if (hwId.length === hwIdBytes) return { kind: 'vcek', hwId };
  // Issued both ways: raw octets, or an OCTET STRING around them.
  const reader = new DerReader(hwId, 'evidence_certificate_malformed');
  const { content } = reader.take(TAG.octetString);
  reader.end();
  if (content.length !== hwIdBytes) throw malformed('hwID of another length');
  return { kind: 'vcek', hwId: content };
}

function level(certificate: Certificate, oid: string): number {
  const reader = new DerReader(required(certificate, oid), 'evidence_certificate_malformed');
  const value = reader.takeSmallInteger();
  reader.end();
  if (value > 255) throw malformed('level over 255');
  return value;
}

function ia5(certificate: Certificate, oid: string): string {
  const reader = new DerReader(required(certificate, oid), 'evidence_certificate_malformed');
  const { content } = reader.take(TAG.ia5String);
  reader.end();
  if (content.length > 128 || content.some((octet) => octet < 0x20 || octet > 0x7e))
    throw malformed('text outside printable ASCII');
  return fromUtf8(content);
}

function required(certificate: Certificate, oid: string): Bytes {
  const extension = certificate.extensions.get(oid);
  if (!extension) throw malformed('AMD extension missing');
  return extension.value;
}

function malformed(detail: string): EvidenceError {
  return new EvidenceError('evidence_certificate_malformed', detail);
}
