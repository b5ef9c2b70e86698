import { describe, expect, it } from 'vitest';
import { der, integer, octetString, oid, sequence } from '../../../backend/tee/simulated/der-writer.ts';
import { extension } from '../../../backend/tee/simulated/make-certificate.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { parseCrl } from '../../../shared/evidence/crl.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { readPemCertificates } from '../../../shared/evidence/pem.ts';
import { parseQeIdentity } from '../../../shared/evidence/qe-identity.ts';
import { parseTcbInfo } from '../../../shared/evidence/tcb-info.ts';
import { cutServedDocument } from '../../../shared/evidence/tdx-collateral.ts';
import { PCK_OID, readPckExtensions } from '../../../shared/evidence/tdx-pck-extensions.ts';
import { parseTdxQuote } from '../../../shared/evidence/tdx-quote.ts';
import { parseCertificate } from '../../../shared/evidence/x509.ts';
import { pckExtension, toPem, usage } from '../verifier/tdx-authority.ts';
import { soundPck, soundQeIdentity, soundTcbInfo, tdxEvidence } from '../verifier/tdx-platform.ts';

const sound = tdxEvidence();

function codeOf(read: () => unknown): string {
  try {
    read();
    return 'accepted';
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    return `${error.code}: ${error.detail}`;
  }
}
function chainOf(evidence: typeof sound): readonly Bytes[] {
  return readPemCertificates(parseTdxQuote(evidence.quote).pckChain, 3, 3, 'evidence_certificate_malformed');
}
const first = (list: readonly Bytes[]): Bytes => list[0] ?? new Uint8Array();

describe('certificates and lists of Intel’s profile', () => {
  it('are read with their P-256 keys and raw signatures', () => {
    const pck = parseCertificate(first(chainOf(sound)), 'intel');
    expect(pck).toMatchObject({ serial: '300', subjectCommonName: 'Intel SGX PCK Certificate' });
    expect(pck.publicKey.kind).toBe('p256');
    expect(pck.signature).toHaveLength(64);
    expect(parseCrl(sound.pckCrl, 'intel').signature).toHaveLength(64);
  });
  it('are of no other vendor', () => {
    for (const vendor of ['amd', 'nvidia'] as const) {
      expect(codeOf(() => parseCertificate(first(chainOf(sound)), vendor))).toMatch(
        /^evidence_algorithm_unsupported/,
      );
      expect(codeOf(() => parseCrl(sound.pckCrl, vendor))).toMatch(/^evidence_algorithm_unsupported/);
    }
  });
});

describe('PCK extensions', () => {
  const withParts = (change?: Parameters<typeof pckExtension>[1]) => () => {
    const extensions = [...usage('leaf'), pckExtension(soundPck, change)];
    return readPckExtensions(parseCertificate(first(chainOf(tdxEvidence({ pck: { extensions } }))), 'intel'));
  };
  const pair = (id: string, value: Bytes): Bytes => sequence(oid(id), value);
  it('are read whole', () => {
    expect(withParts()()).toMatchObject(soundPck);
    expect(withParts()().platformInstanceId).toHaveLength(16);
    expect(withParts((parts) => parts.toSpliced(5, 1))().platformInstanceId).toBeUndefined();
  });
  it('evidence_certificate_malformed: missing, unknown, twice, of another size or type', () => {
    for (const index of [0, 1, 2, 3, 4])
      expect(codeOf(withParts((parts) => parts.toSpliced(index, 1)))).toBe(
        'evidence_certificate_malformed: part missing',
      );
    const swap = (index: number, part: Bytes) => codeOf(withParts((parts) => parts.with(index, part)));
    expect(codeOf(withParts((parts) => [...parts, pair(`${PCK_OID.extension}.8`, integer(1))]))).toMatch(
      /unknown part/,
    );
    expect(codeOf(withParts((parts) => [...parts, ...parts]))).toMatch(/part occurs twice/);
    expect(swap(0, pair(PCK_OID.ppid, octetString(new Uint8Array(15))))).toMatch(/another length/);
    expect(swap(2, pair(PCK_OID.pceId, octetString(new Uint8Array(3))))).toMatch(/another length/);
    expect(swap(3, pair(PCK_OID.fmspc, integer(1)))).toMatch(/unexpected DER tag/);
    expect(swap(4, pair(PCK_OID.sgxType, integer(1)))).toMatch(/unexpected DER tag/);
    expect(swap(5, pair(PCK_OID.platformInstanceId, octetString(new Uint8Array(17))))).toMatch(
      /another length/,
    );
    expect(swap(3, sequence(oid(PCK_OID.fmspc)))).toMatch(/without a value/);
    expect(swap(1, pair(PCK_OID.tcb, sequence()))).toMatch(/part missing/);
  });
  it('evidence_certificate_malformed: SVNs out of range', () => {
    const platform = (components: readonly number[], pceSvn: number) =>
      codeOf(() => {
        const pck = { ...soundPck, components, pceSvn };
        const evidence = tdxEvidence({ pck: { extensions: [...usage('leaf'), pckExtension(pck)] } });
        return readPckExtensions(parseCertificate(first(chainOf(evidence)), 'intel'));
      });
    expect(platform([256, ...soundPck.components.slice(1)], 13)).toMatch(/SVN out of range/);
    expect(platform(soundPck.components, 65_536)).toMatch(/SVN out of range/);
    expect(platform([255, ...soundPck.components.slice(1)], 65_535)).toBe('accepted');
    expect(platform(soundPck.components.slice(1), 13)).toMatch(/part missing/);
  });
  it('evidence_certificate_malformed: something behind the sequence', () => {
    const value = concat(sequence(), der(0x05));
    const extensions = [...usage('leaf'), extension(PCK_OID.extension, false, value)];
    const evidence = tdxEvidence({ pck: { extensions } });
    expect(codeOf(() => readPckExtensions(parseCertificate(first(chainOf(evidence)), 'intel')))).toMatch(
      /trailing/,
    );
  });
});

describe('PEM', () => {
  const [one = new Uint8Array(), two = new Uint8Array()] = chainOf(sound);
  const read = (text: string, minimum = 1, maximum = 2) =>
    codeOf(() => readPemCertificates(toUtf8(text), minimum, maximum, 'evidence_certificate_malformed'));
  it('is read in order, with either line end', () => {
    const text = toPem([one, two]);
    for (const spelling of [text, text.replaceAll('\n', '\r\n'), text.trimEnd()])
      expect(
        readPemCertificates(toUtf8(spelling), 2, 2, 'evidence_certificate_malformed').map(toHex),
      ).toEqual([one, two].map(toHex));
  });
  it('evidence_certificate_malformed: anything else in the text, another number, another spelling', () => {
    const text = toPem([one]);
    for (const wrong of [
      '',
      'x',
      ` ${text}`,
      `${text}x`,
      `${text}\0`,
      `a\n${text}`,
      text.replace('BEGIN', 'START'),
    ])
      expect(read(wrong)).toMatch(/^evidence_certificate_malformed/);
    expect(read(text, 2, 2)).toMatch(/^evidence_certificate_malformed/);
    expect(read(toPem([one, two, one]))).toMatch(/^evidence_certificate_malformed/);
    expect(read('-----BEGIN CERTIFICATE-----\nAB==\n-----END CERTIFICATE-----\n')).toMatch(/canonical/);
    expect(read('-----BEGIN CERTIFICATE-----\nA=A=\n-----END CERTIFICATE-----\n')).toMatch(/base64/);
    expect(read('x'.repeat(70_000))).toMatch(/^evidence_too_large/);
  });
});

describe('signed documents', () => {
  const signature = 'ab'.repeat(64);
  const tcbInfo = JSON.stringify(soundTcbInfo);
  const cut = (served: string, member: 'tcbInfo' | 'enclaveIdentity' = 'tcbInfo') =>
    cutServedDocument(toUtf8(served), member);
  it('are cut out of what Intel serves without a change', () => {
    const { document, signature: raw } = cut(`{"tcbInfo":${tcbInfo},"signature":"${signature}"}`);
    expect(document).toEqual(toUtf8(tcbInfo));
    expect(toHex(raw)).toBe(signature);
    expect(
      cut(`{"enclaveIdentity":{},"signature":"${signature.toUpperCase()}"}`, 'enclaveIdentity').document,
    ).toEqual(toUtf8('{}'));
  });
  it('evidence_collateral_malformed: no other cut is possible', () => {
    for (const served of [
      '',
      '{}',
      `{"tcbInfo":${tcbInfo},"signature":"${signature}"} `,
      ` {"tcbInfo":${tcbInfo},"signature":"${signature}"}`,
      `{"tcbInfo": ${tcbInfo},"signature":"${signature}"`,
      `{"enclaveIdentity":${tcbInfo},"signature":"${signature}"}`,
      `{"signature":"${signature}","tcbInfo":${tcbInfo}}`,
      `{"tcbInfo":${tcbInfo},"signature":"${signature.slice(2)}"}`,
      `{"tcbInfo":${tcbInfo},"signature":"${signature.slice(2)}zz"}`,
      `{"tcbInfo":[],"signature":"${signature}"}`,
      `{"tcbInfo":1,"signature":"${signature}"}`,
      `{"tcbInfo":{},"tcbInfo":{},"signature":"${signature}"}`,
      `{"tcbInfo":{"a":1,"a":1},"signature":"${signature}"}`,
      `{"tcbInfo":{},"signature":"${signature}","signature":"${signature}"}`,
    ])
      expect(codeOf(() => cut(served))).toMatch(/^evidence_collateral_malformed/);
    expect(codeOf(() => cut('x'.repeat(200_000)))).toMatch(/^evidence_too_large/);
  });
  it('are read strictly, with all problems at once', () => {
    const read = (changes: Record<string, unknown>) =>
      codeOf(() => parseTcbInfo(toUtf8(JSON.stringify({ ...soundTcbInfo, ...changes }))));
    expect(read({})).toBe('accepted');
    expect(read({ fmspc: '9', tcbType: 1 })).toMatch(/fmspc must be hex of 6 octets; tcbType must be 0/);
    const [level] = soundTcbInfo.tcbLevels;
    expect(read({ tcbLevels: [{ ...level, tcbStatus: 'Fine' }] })).toMatch(/tcbLevels\[0\].tcbStatus/);
    const tcb = { ...level?.tcb, tdxtcbcomponents: [] };
    expect(read({ tcbLevels: [{ ...level, tcb }] })).toMatch(/must have 16 to 16 items/);
    expect(read({ nextUpdate: '2026-12-22' })).toMatch(/nextUpdate must be a time/);
    for (const name of Object.keys(soundQeIdentity)) {
      const identity = JSON.stringify({ ...soundQeIdentity, [name]: undefined });
      expect(codeOf(() => parseQeIdentity(toUtf8(identity)))).toBe(
        `evidence_collateral_malformed: ${name} missing`,
      );
    }
    expect(codeOf(() => parseTcbInfo(new Uint8Array(200_000)))).toMatch(/^evidence_too_large/);
    expect(codeOf(() => parseQeIdentity(new Uint8Array(20_000)))).toMatch(/^evidence_too_large/);
  });
});
