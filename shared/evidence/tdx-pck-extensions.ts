// The extension of PCK certificates, 1.2.840.113741.1.13.1 (Intel, "SGX PCK Certificate and CRL Specification", section 1.3.5).

import type { Bytes } from '../bytes/concat.ts';
import { DerReader, TAG } from './der.ts';
import { EvidenceError } from './evidence-error.ts';
import type { Certificate } from './x509.ts';

const BASE = '1.2.840.113741.1.13.1';

/** Object identifiers of the extension and of what it holds. */
export const PCK_OID = {
  extension: BASE,
  ppid: `${BASE}.1`,
  tcb: `${BASE}.2`,
  /** `.2.1` to `.2.16` are the component SVNs. */
  pceSvn: `${BASE}.2.17`,
  cpuSvn: `${BASE}.2.18`,
  pceId: `${BASE}.3`,
  fmspc: `${BASE}.4`,
  sgxType: `${BASE}.5`,
  platformInstanceId: `${BASE}.6`,
  configuration: `${BASE}.7`,
} as const;

/** Number of TCB components. */
export const TCB_COMPONENT_COUNT = 16;

/** What a PCK certificate says about its platform. */
export interface PckExtensions {
  /** 16 octets: names one processor package. */
  readonly ppid: Bytes;
  /** 16 numbers from 0 to 255. */
  readonly components: readonly number[];
  readonly pceSvn: number;
  /** 2 octets. */
  readonly pceId: Bytes;
  /** 6 octets: family, model, stepping, platform type and so on, as Intel names them. */
  readonly fmspc: Bytes;
  /** 16 octets; only under the platform CA. */
  readonly platformInstanceId: Bytes | undefined;
}

/**
 * Reads the extension.
 * @throws EvidenceError `evidence_certificate_malformed` when it or a part is missing, malformed, unknown or there twice.
 */
export function readPckExtensions(certificate: Certificate): PckExtensions {
  const extension = certificate.extensions.get(PCK_OID.extension);
  if (!extension) throw malformed('no extension of Intel’s');
  const parts = readPairs(new DerReader(extension.value, 'evidence_certificate_malformed'), KNOWN);
  const tcb = readPairs(required(parts, PCK_OID.tcb), TCB_KNOWN);
  const components = Array.from({ length: TCB_COMPONENT_COUNT }, (_, index) =>
    svn(tcb, `${PCK_OID.tcb}.${index + 1}`, 255),
  );
  octetsOf(tcb, PCK_OID.cpuSvn, 16);
  required(parts, PCK_OID.sgxType).take(TAG.enumerated);
  parts.get(PCK_OID.configuration)?.take(TAG.sequence);
  return {
    ppid: octetsOf(parts, PCK_OID.ppid, 16),
    components,
    pceSvn: svn(tcb, PCK_OID.pceSvn, 65_535),
    pceId: octetsOf(parts, PCK_OID.pceId, 2),
    fmspc: octetsOf(parts, PCK_OID.fmspc, 6),
    platformInstanceId: parts.has(PCK_OID.platformInstanceId)
      ? octetsOf(parts, PCK_OID.platformInstanceId, 16)
      : undefined,
  };
}

const KNOWN: ReadonlySet<string> = new Set([
  PCK_OID.ppid,
  PCK_OID.tcb,
  PCK_OID.pceId,
  PCK_OID.fmspc,
  PCK_OID.sgxType,
  PCK_OID.platformInstanceId,
  PCK_OID.configuration,
]);
const TCB_KNOWN: ReadonlySet<string> = new Set([
  ...Array.from({ length: TCB_COMPONENT_COUNT }, (_, index) => `${PCK_OID.tcb}.${index + 1}`),
  PCK_OID.pceSvn,
  PCK_OID.cpuSvn,
]);

type Pairs = ReadonlyMap<string, DerReader>;

/** SEQUENCE OF SEQUENCE { OBJECT IDENTIFIER, value }: each value as a reader that holds just it. */
function readPairs(outer: DerReader, known: ReadonlySet<string>): Pairs {
  const all = outer.enter(TAG.sequence);
  outer.end();
  const pairs = new Map<string, DerReader>();
  while (!all.done) {
    const pair = all.enter(TAG.sequence);
    const oid = pair.takeOid();
    const tag = pair.nextTag;
    if (tag === undefined) throw malformed('part without a value');
    const { whole } = pair.take(tag);
    pair.end();
    if (!known.has(oid)) throw malformed('unknown part');
    if (pairs.has(oid)) throw malformed('part occurs twice');
    pairs.set(oid, new DerReader(whole, 'evidence_certificate_malformed'));
  }
  return pairs;
}

function required(pairs: Pairs, oid: string): DerReader {
  const reader = pairs.get(oid);
  if (!reader) throw malformed('part missing');
  return reader;
}

function octetsOf(pairs: Pairs, oid: string, length: number): Bytes {
  const { content } = required(pairs, oid).take(TAG.octetString);
  if (content.length !== length) throw malformed('part of another length');
  return content;
}

function svn(pairs: Pairs, oid: string, maximum: number): number {
  const value = required(pairs, oid).takeSmallInteger();
  if (value > maximum) throw malformed('SVN out of range');
  return value;
}

function malformed(detail: string): EvidenceError {
  return new EvidenceError('evidence_certificate_malformed', detail);
}
