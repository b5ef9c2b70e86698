// A TDX platform that exists only in tests: keys, chain, collateral and quotes, sound unless a test wants something else.

import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import type { EndorsedDocument, TdxEvidence } from '../../../shared/evidence/tdx-evidence.ts';
import type { TdxReferenceValue } from '../../../shared/manifest/tdx-reference-value.ts';
import type { VendorRoots } from '../../../shared/verifier/roots/vendor-roots.ts';
import {
  type CertificateRecipe,
  type ListRecipe,
  makeIntelCertificate,
  makeIntelCrl,
  type PckRecipe,
  pckExtension,
  signRaw,
  toPem,
  usage,
} from './tdx-authority.ts';

export const tdxNow = new Date('2026-11-23T12:00:00Z');
const key = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
/** The keys of this platform, and one that nobody vouches for. */
export const keys = {
  root: key(),
  ca: key(),
  pck: key(),
  signer: key(),
  attestation: key(),
  stranger: key(),
};

const day = (days: number): Date => new Date(tdxNow.getTime() + days * 86_400_000);
const instant = (date: Date): string => date.toISOString().replace('.000', '');
const fill = (length: number, octet: number): Bytes => new Uint8Array(length).fill(octet);
const spki = (of: KeyObject): Bytes => {
  const { x, y } = of.export({ format: 'jwk' });
  return new Uint8Array(
    Buffer.concat([Buffer.from(x ?? '', 'base64url'), Buffer.from(y ?? '', 'base64url')]),
  );
};

/** The test's root in place of Intel's. */
export const tdxRoots: VendorRoots = {
  amd: [],
  intel: [
    {
      spkiSha256: createHash('sha256')
        .update(createPublicKey(keys.root).export({ type: 'spki', format: 'der' }))
        .digest('hex'),
    },
  ],
};

/** What the quote says of the guest. */
export interface ReportRecipe {
  readonly teeTcbSvn: Bytes;
  readonly mrSeam: Bytes;
  readonly mrSignerSeam: Bytes;
  readonly seamAttributes: Bytes;
  readonly tdAttributes: bigint;
  readonly xfam: Bytes;
  readonly mrTd: Bytes;
  readonly mrConfigId: Bytes;
  readonly mrOwner: Bytes;
  readonly mrOwnerConfig: Bytes;
  readonly rtmrs: readonly [Bytes, Bytes, Bytes, Bytes];
  readonly reportData: Bytes;
  readonly teeTcbSvn2: Bytes;
  readonly mrServiceTd: Bytes;
}

/** What the quoting enclave's report says. */
export interface QeRecipe {
  readonly miscSelect: number;
  readonly attributes: Bytes;
  readonly mrSigner: Bytes;
  readonly isvProdId: number;
  readonly isvSvn: number;
  readonly reportData?: Bytes;
}

export const soundReport: ReportRecipe = {
  teeTcbSvn: Uint8Array.of(6, 1, 3, ...new Array<number>(13).fill(0)),
  mrSeam: fill(48, 0x5e),
  mrSignerSeam: fill(48, 0),
  seamAttributes: fill(8, 0),
  tdAttributes: 1n << 28n,
  xfam: Uint8Array.of(0xe7, 0x02, 0x06, 0, 0, 0, 0, 0),
  mrTd: fill(48, 0x71),
  mrConfigId: fill(48, 0xc1),
  mrOwner: fill(48, 0xc2),
  mrOwnerConfig: fill(48, 0xc3),
  rtmrs: [fill(48, 0xa0), fill(48, 0xa1), fill(48, 0xa2), fill(48, 0xa3)],
  reportData: fill(64, 0xd0),
  teeTcbSvn2: Uint8Array.of(6, 1, 3, ...new Array<number>(13).fill(0)),
  mrServiceTd: fill(48, 0),
};
const soundQe: QeRecipe = {
  miscSelect: 0,
  attributes: Uint8Array.of(0x15, ...new Array<number>(7).fill(0), 0xe7, ...new Array<number>(7).fill(0)),
  mrSigner: fill(32, 0xdc),
  isvProdId: 2,
  isvSvn: 4,
};
export const soundPck: PckRecipe = {
  ppid: fill(16, 0x99),
  components: [3, 3, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0],
  pceSvn: 13,
  pceId: fill(2, 0),
  fmspc: Uint8Array.of(0x90, 0xc0, 0x6f, 0, 0, 0),
};

const components = (...svns: readonly number[]): readonly { svn: number }[] =>
  Array.from({ length: 16 }, (_, index) => ({ svn: svns[index] ?? 0 }));
const sgx = (first: number) => components(first, first, 2, 2, 4, 1, 0, 5);

/** TCB info as JSON: one level up to date, one out of date, one revoked; modules of major version 1. */
export const soundTcbInfo = {
  id: 'TDX',
  version: 3,
  issueDate: instant(day(-1)),
  nextUpdate: instant(day(29)),
  fmspc: '90C06F000000',
  pceId: '0000',
  tcbType: 0,
  tcbEvaluationDataNumber: 19,
  tdxModule: { mrsigner: '00'.repeat(48), attributes: '00'.repeat(8), attributesMask: 'FF'.repeat(8) },
  tdxModuleIdentities: [
    {
      id: 'TDX_01',
      mrsigner: '00'.repeat(48),
      attributes: '00'.repeat(8),
      attributesMask: 'FF'.repeat(8),
      tcbLevels: [
        { tcb: { isvsvn: 6 }, tcbDate: '2024-11-13T00:00:00Z', tcbStatus: 'UpToDate' },
        {
          tcb: { isvsvn: 4 },
          tcbDate: '2024-03-13T00:00:00Z',
          tcbStatus: 'OutOfDate',
          advisoryIDs: ['INTEL-SA-01036'],
        },
        { tcb: { isvsvn: 2 }, tcbDate: '2023-08-09T00:00:00Z', tcbStatus: 'Revoked' },
      ],
    },
  ],
  tcbLevels: [
    {
      tcb: { sgxtcbcomponents: sgx(3), pcesvn: 13, tdxtcbcomponents: components(5, 0, 3) },
      tcbDate: '2024-11-13T00:00:00Z',
      tcbStatus: 'UpToDate',
    },
    {
      tcb: { sgxtcbcomponents: sgx(2), pcesvn: 13, tdxtcbcomponents: components(5, 0, 2) },
      tcbDate: '2024-03-13T00:00:00Z',
      tcbStatus: 'OutOfDate',
      advisoryIDs: ['INTEL-SA-01079'],
    },
    {
      tcb: { sgxtcbcomponents: sgx(1), pcesvn: 5, tdxtcbcomponents: components(1, 0, 1) },
      tcbDate: '2018-01-04T00:00:00Z',
      tcbStatus: 'Revoked',
    },
  ],
};

/** QE identity as JSON. */
export const soundQeIdentity = {
  id: 'TD_QE',
  version: 2,
  issueDate: instant(day(-1)),
  nextUpdate: instant(day(29)),
  tcbEvaluationDataNumber: 19,
  miscselect: '00000000',
  miscselectMask: 'FFFFFFFF',
  attributes: `11${'00'.repeat(15)}`,
  attributesMask: `FB${'FF'.repeat(7)}${'00'.repeat(8)}`,
  mrsigner: 'DC'.repeat(32),
  isvprodid: 2,
  tcbLevels: [
    { tcb: { isvsvn: 4 }, tcbDate: '2024-11-13T00:00:00Z', tcbStatus: 'UpToDate' },
    { tcb: { isvsvn: 3 }, tcbDate: '2024-03-13T00:00:00Z', tcbStatus: 'OutOfDate' },
    { tcb: { isvsvn: 2 }, tcbDate: '2023-03-13T00:00:00Z', tcbStatus: 'Revoked' },
  ],
};

/** What a test wants to be different. Everything is signed anew with the change in it, unless the change is a signer. */
export interface TdxChanges {
  readonly version?: 4 | 5;
  readonly bodyType?: 2 | 3;
  readonly report?: Partial<ReportRecipe>;
  readonly qe?: Partial<QeRecipe>;
  readonly pckPlatform?: Partial<PckRecipe>;
  readonly pck?: Partial<CertificateRecipe>;
  readonly ca?: Partial<CertificateRecipe>;
  readonly root?: Partial<CertificateRecipe>;
  readonly signer?: Partial<CertificateRecipe>;
  readonly rootCrl?: Partial<ListRecipe>;
  readonly pckCrl?: Partial<ListRecipe>;
  readonly tcbInfo?: Record<string, unknown>;
  readonly qeIdentity?: Record<string, unknown>;
  readonly tcbInfoText?: string;
  readonly tcbInfoSigner?: KeyObject;
  readonly qeIdentitySigner?: KeyObject;
  readonly qeReportSigner?: KeyObject;
  readonly quoteSigner?: KeyObject;
  readonly attestationKey?: KeyObject;
  readonly authenticationData?: Bytes;
  /** The PEM in the quote. */
  readonly chain?: string;
  readonly trailing?: Bytes;
}

function recipes(changes: TdxChanges = {}) {
  const dates = { notBefore: day(-400), notAfter: day(2000) };
  const root: CertificateRecipe = {
    serial: 0x100,
    issuer: 'Intel SGX Root CA',
    subject: 'Intel SGX Root CA',
    ...dates,
    key: keys.root,
    signer: keys.root,
    extensions: usage('authority', 1),
    ...changes.root,
  };
  const ca: CertificateRecipe = {
    serial: 0x200,
    issuer: 'Intel SGX Root CA',
    subject: 'Intel SGX PCK Platform CA',
    ...dates,
    key: keys.ca,
    signer: keys.root,
    extensions: usage('authority', 0),
    ...changes.ca,
  };
  const pck: CertificateRecipe = {
    serial: 0x300,
    issuer: 'Intel SGX PCK Platform CA',
    subject: 'Intel SGX PCK Certificate',
    ...dates,
    key: keys.pck,
    signer: keys.ca,
    extensions: [...usage('leaf'), pckExtension({ ...soundPck, ...changes.pckPlatform })],
    ...changes.pck,
  };
  const signer: CertificateRecipe = {
    serial: 0x400,
    issuer: 'Intel SGX Root CA',
    subject: 'Intel SGX TCB Signing',
    ...dates,
    key: keys.signer,
    signer: keys.root,
    extensions: usage('leaf'),
    ...changes.signer,
  };
  return { root, ca, pck, signer };
}

/** Evidence of the platform: sound without changes. */
export function tdxEvidence(changes: TdxChanges = {}): TdxEvidence {
  const made = recipes(changes);
  const chain = [made.pck, made.ca, made.root].map(makeIntelCertificate);
  const signer = makeIntelCertificate(made.signer);
  const list = { thisUpdate: day(-1), nextUpdate: day(29), revokedSerials: [] };
  const endorse = (text: string, by: KeyObject): EndorsedDocument => ({
    document: toUtf8(text),
    signature: signRaw(toUtf8(text), by),
    signer,
  });
  return {
    kind: 'tdx',
    quote: writeQuote(changes, changes.chain ?? toPem(chain)),
    tcbInfo: endorse(
      changes.tcbInfoText ?? JSON.stringify({ ...soundTcbInfo, ...changes.tcbInfo }),
      changes.tcbInfoSigner ?? keys.signer,
    ),
    qeIdentity: endorse(
      JSON.stringify({ ...soundQeIdentity, ...changes.qeIdentity }),
      changes.qeIdentitySigner ?? keys.signer,
    ),
    rootCrl: makeIntelCrl({ issuer: 'Intel SGX Root CA', signer: keys.root, ...list, ...changes.rootCrl }),
    pckCrl: makeIntelCrl({
      issuer: 'Intel SGX PCK Platform CA',
      signer: keys.ca,
      ...list,
      ...changes.pckCrl,
    }),
  };
}

/** Expectations that the sound platform meets, each of them stated. */
export const soundTdxReference: TdxReferenceValue = {
  tee: 'tdx',
  mrtd: [toHex(soundReport.mrTd)],
  rtmr0: [toHex(soundReport.rtmrs[0])],
  rtmr1: [toHex(soundReport.rtmrs[1])],
  rtmr2: [toHex(soundReport.rtmrs[2])],
  rtmr3: [toHex(soundReport.rtmrs[3])],
  mrconfigid: toHex(soundReport.mrConfigId),
  mrowner: toHex(soundReport.mrOwner),
  mrownerconfig: toHex(soundReport.mrOwnerConfig),
  xfam: [toHex(soundReport.xfam)],
  attributes: {
    debug: false,
    migratable: false,
    sept_ve_disable: 'required',
    pks: 'off',
    key_locker: 'off',
    perfmon: 'off',
  },
  service_td: 'none',
  mrseam: [toHex(soundReport.mrSeam)],
  tcb_statuses: ['UpToDate'],
  minimum_tcb_evaluation_data_number: 19,
  ppids: [toHex(soundPck.ppid)],
  gpu: 'none',
};

function u16(value: number): Bytes {
  return Uint8Array.of(value & 0xff, value >> 8);
}
function u32(value: number): Bytes {
  return concat(u16(value & 0xffff), u16(value >>> 16));
}
function u64(value: bigint): Bytes {
  const octets = new Uint8Array(8);
  new DataView(octets.buffer).setBigUint64(0, value, true);
  return octets;
}

function writeQuote(changes: TdxChanges, chain: string): Bytes {
  const version = changes.version ?? 4;
  const bodyType = changes.bodyType ?? 3;
  const body = writeReport({ ...soundReport, ...changes.report }, version === 5 && bodyType === 3);
  const vendor = Uint8Array.from(Buffer.from('939a7233f79c4ca9940a0db3957f0607', 'hex'));
  const header = concat(u16(version), u16(2), u32(0x81), fill(4, 0), vendor, fill(20, 0x0d));
  const signed = concat(header, ...(version === 5 ? [u16(bodyType), u32(body.length)] : []), body);
  const attestation = changes.attestationKey ?? keys.attestation;
  const attestationKey = spki(attestation);
  const authentication = changes.authenticationData ?? fill(32, 0xad);
  const qe = { ...soundQe, ...changes.qe };
  const bound = new Uint8Array(
    createHash('sha256')
      .update(concat(spki(keys.attestation), authentication))
      .digest(),
  );
  const qeReport = concat(
    fill(16, 0),
    u32(qe.miscSelect),
    fill(28, 0),
    qe.attributes,
    fill(32, 0xee),
    fill(32, 0),
    qe.mrSigner,
    fill(96, 0),
    u16(qe.isvProdId),
    u16(qe.isvSvn),
    fill(60, 0),
    qe.reportData ?? concat(bound, fill(32, 0)),
  );
  const pem = concat(toUtf8(chain), fill(1, 0));
  const certification = concat(
    qeReport,
    signRaw(qeReport, changes.qeReportSigner ?? keys.pck),
    u16(authentication.length),
    authentication,
    u16(5),
    u32(pem.length),
    pem,
  );
  const signatureData = concat(
    signRaw(signed, changes.quoteSigner ?? attestation),
    attestationKey,
    u16(6),
    u32(certification.length),
    certification,
  );
  return concat(signed, u32(signatureData.length), signatureData, changes.trailing ?? fill(0, 0));
}

function writeReport(report: ReportRecipe, later: boolean): Bytes {
  return concat(
    report.teeTcbSvn,
    report.mrSeam,
    report.mrSignerSeam,
    report.seamAttributes,
    u64(report.tdAttributes),
    report.xfam,
    report.mrTd,
    report.mrConfigId,
    report.mrOwner,
    report.mrOwnerConfig,
    ...report.rtmrs,
    report.reportData,
    ...(later ? [report.teeTcbSvn2, report.mrServiceTd] : []),
  );
}
