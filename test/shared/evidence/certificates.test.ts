import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import * as der from '../../../backend/tee/simulated/der-writer.ts';
import {
  authorityExtensions,
  extension,
  makeCertificate,
  makeCrl,
} from '../../../backend/tee/simulated/make-certificate.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { fromHex, toHex } from '../../../shared/bytes/hex.ts';
import { AMD_OID, readLeafExtensions } from '../../../shared/evidence/amd-extensions.ts';
import { parseCrl } from '../../../shared/evidence/crl.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { parseCertificate } from '../../../shared/evidence/x509.ts';

// Small keys: these tests read, they do not judge.
const signer = generateKeyPairSync('rsa', { modulusLength: 1024 });
const chip = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const from = new Date('2026-01-01T00:00:00Z');
const to = new Date('2027-01-01T00:00:00Z');

function certificate(extensions: readonly Bytes[], key = chip.publicKey, serial = 5): Bytes {
  const names = { issuer: 'Issuer', subject: 'Subject' };
  return makeCertificate({
    serial,
    ...names,
    notBefore: from,
    notAfter: to,
    key,
    extensions,
    signer: signer.privateKey,
  });
}
function list(changes: Partial<Parameters<typeof makeCrl>[0]> = {}): Bytes {
  return makeCrl({
    issuer: 'Issuer',
    thisUpdate: from,
    nextUpdate: to,
    number: 1,
    revokedSerials: [],
    signer: signer.privateKey,
    ...changes,
  });
}
/** Replaces the only or every occurrence of a piece of DER by another of the same length. */
function replaced(octets: Bytes, find: string, put: string): Bytes {
  expect(put.length).toBe(find.length);
  const hex = toHex(octets);
  expect(hex).toContain(find);
  return fromHex(hex.replaceAll(find, put));
}
function codeOf(read: () => unknown): string {
  try {
    read();
    return 'accepted';
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    return `${error.code}: ${error.detail}`;
  }
}

describe('certificate', () => {
  it('is read whole', () => {
    const read = parseCertificate(
      certificate(authorityExtensions('intermediate'), signer.publicKey, 0x20001),
    );
    expect(read).toMatchObject({
      serial: '20001',
      subjectCommonName: 'Subject',
      notBefore: from,
      notAfter: to,
      publicKey: { kind: 'rsa', modulusBits: 1024 },
      basicConstraints: { ca: true, pathLength: 0 },
      keyUsage: { certificateSign: true, crlSign: false },
    });
    expect(parseCertificate(certificate([], chip.publicKey, 0)).serial).toBe('0');
    expect(parseCertificate(certificate(authorityExtensions('root'))).keyUsage).toEqual({
      certificateSign: true,
      crlSign: true,
    });
  });
  it('evidence_algorithm_unsupported: each PSS parameter is compared', () => {
    const sound = certificate([]);
    const unsupported = (find: string, put: string) =>
      codeOf(() => parseCertificate(replaced(sound, find, put)));
    // rsassaPss → sha384WithRSAEncryption
    expect(unsupported('06092a864886f70d01010a', '06092a864886f70d01010c')).toBe(
      'evidence_algorithm_unsupported: signature is not RSASSA-PSS',
    );
    // SHA-384 → SHA-256, in the hash and in the mask
    expect(unsupported('a00f300d06096086480165030402020500', 'a00f300d06096086480165030402010500')).toBe(
      'evidence_algorithm_unsupported: PSS hash is not SHA-384',
    );
    expect(unsupported('0108300d06096086480165030402020500', '0108300d06096086480165030402010500')).toBe(
      'evidence_algorithm_unsupported: PSS mask is not MGF1 with SHA-384',
    );
    expect(unsupported('06092a864886f70d010108', '06092a864886f70d010109')).toBe(
      'evidence_algorithm_unsupported: PSS mask is not MGF1 with SHA-384',
    );
    expect(unsupported('a203020130', 'a203020120')).toBe(
      'evidence_algorithm_unsupported: PSS salt is not 48 octets',
    );
    expect(unsupported('a203020130', 'a403020130')).toBe(
      'evidence_algorithm_unsupported: PSS salt is not 48 octets',
    );
  });
  it('evidence_algorithm_unsupported: keys outside the profile', () => {
    const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    expect(codeOf(() => parseCertificate(certificate([], p256)))).toBe(
      'evidence_algorithm_unsupported: public key is neither RSA nor P-384',
    );
    const ed25519 = generateKeyPairSync('ed25519').publicKey;
    expect(codeOf(() => parseCertificate(certificate([], ed25519)))).toBe(
      'evidence_algorithm_unsupported: public key is neither RSA nor P-384',
    );
    const three = generateKeyPairSync('rsa', { modulusLength: 1024, publicExponent: 3 }).publicKey;
    expect(codeOf(() => parseCertificate(certificate([], three)))).toBe(
      'evidence_algorithm_unsupported: RSA key outside the profile',
    );
  });
  it('evidence_certificate_malformed: extensions', () => {
    const one = extension('1.2.3', false, Uint8Array.of(5, 0));
    expect(codeOf(() => parseCertificate(certificate([one])))).toBe('accepted');
    expect(codeOf(() => parseCertificate(certificate([one, one])))).toBe(
      'evidence_certificate_malformed: extension occurs twice',
    );
    const critical = extension('1.2.3', true, Uint8Array.of(5, 0));
    expect(codeOf(() => parseCertificate(certificate([critical])))).toBe(
      'evidence_certificate_malformed: unknown critical extension',
    );
    const many = Array.from({ length: 33 }, (_, index) =>
      extension(`1.2.3.${index}`, false, Uint8Array.of(5, 0)),
    );
    expect(codeOf(() => parseCertificate(certificate(many)))).toBe(
      'evidence_certificate_malformed: too many extensions',
    );
  });
  it('evidence_certificate_malformed: a name that a terminal would obey', () => {
    const names = toHex(new TextEncoder().encode('Subject'));
    for (const put of ['1b5b33316d7878', `${names.slice(0, -4)}c29b`])
      expect(codeOf(() => parseCertificate(replaced(certificate([]), names, put)))).toBe(
        'evidence_certificate_malformed: common name outside printable ASCII',
      );
  });
  it('evidence_certificate_malformed: two algorithms, no name, another version', () => {
    const sound = certificate([]);
    const hex = toHex(sound);
    const salt = hex.lastIndexOf('a203020130');
    const outer = fromHex(`${hex.slice(0, salt)}a203020131${hex.slice(salt + 10)}`);
    expect(codeOf(() => parseCertificate(outer))).toBe(
      'evidence_certificate_malformed: two signature algorithms',
    );
    expect(codeOf(() => parseCertificate(replaced(sound, '0603550403', '0603550405')))).toBe(
      'evidence_certificate_malformed: no common name',
    );
    expect(codeOf(() => parseCertificate(replaced(sound, 'a003020102', 'a003020101')))).toBe(
      'evidence_certificate_malformed: not an X.509 version 3 certificate',
    );
  });
});

describe('revocation list', () => {
  it('is read whole, with entries and without', () => {
    expect([...parseCrl(list({ revokedSerials: [0x20001, 7] })).revoked]).toEqual(['20001', '7']);
    expect(parseCrl(list())).toMatchObject({ thisUpdate: from, nextUpdate: to });
    expect(parseCrl(list()).revoked.size).toBe(0);
  });
  it('evidence_crl_malformed: no octets, delta or partial lists, no end', () => {
    expect(codeOf(() => parseCrl(new Uint8Array()))).toBe('evidence_crl_malformed: unexpected DER tag');
    // crlNumber 2.5.29.20 → deltaCRLIndicator .27, issuingDistributionPoint .28
    for (const id of ['1b', '1c'])
      expect(codeOf(() => parseCrl(replaced(list(), '0603551d14', `0603551d${id}`)))).toBe(
        'evidence_crl_malformed: not a complete list',
      );
    const next = toHex(der.time(to));
    // nextUpdate gone: the next thing in its place is no time.
    expect(codeOf(() => parseCrl(replaced(list(), next, `040d${next.slice(4)}`)))).toBe(
      'evidence_crl_malformed: not a DER time',
    );
    expect(codeOf(() => parseCrl(list().subarray(0, 100)))).toMatch(/^evidence_crl_malformed/);
  });
  it('evidence_algorithm_unsupported: another salt', () => {
    expect(codeOf(() => parseCrl(replaced(list(), 'a203020130', 'a203020120')))).toMatch(
      /^evidence_algorithm_unsupported/,
    );
  });
});

describe('AMD’s extensions', () => {
  const level = (id: string, value: number) => extension(id, false, der.integer(value));
  const hwId = new Uint8Array(64).fill(0x99);
  const genoa: Record<string, Bytes> = {
    structVersion: level(AMD_OID.structVersion, 0),
    productName: extension(AMD_OID.productName, false, der.ia5String('Genoa')),
    bootLoader: level(AMD_OID.bootLoader, 10),
    tee: level(AMD_OID.tee, 0),
    snp: level(AMD_OID.snp, 0x19),
    microcode: level(AMD_OID.microcode, 0xdb),
    spare4: level(AMD_OID.spare4, 0),
    hwId: extension(AMD_OID.hwId, false, hwId),
  };
  const read = (changes: Record<string, Bytes | undefined>) => () =>
    readLeafExtensions(
      parseCertificate(
        certificate(Object.values({ ...genoa, ...changes }).filter((value) => value !== undefined)),
      ),
    );

  it('are read, also above 0x7F, in any order, and with either spelling of hwID', () => {
    const expected = {
      structVersion: 0,
      productName: 'Genoa',
      tcb: { fmc: 0, bootLoader: 10, tee: 0, snp: 0x19, microcode: 0xdb },
      holder: { kind: 'vcek', hwId },
    };
    expect(read({})()).toEqual(expected);
    expect(read({ hwId: extension(AMD_OID.hwId, false, der.octetString(hwId)) })()).toEqual(expected);
    expect(readLeafExtensions(parseCertificate(certificate(Object.values(genoa).reverse())))).toEqual(
      expected,
    );
  });
  it('are read for Turin and for a provider', () => {
    const turin = {
      structVersion: level(AMD_OID.structVersion, 1),
      fmc: level(AMD_OID.fmc, 2),
      spare4: undefined,
      hwId: extension(AMD_OID.hwId, false, new Uint8Array(8).fill(1)),
    };
    expect(read(turin)()).toMatchObject({
      tcb: { fmc: 2 },
      holder: { kind: 'vcek', hwId: new Uint8Array(8).fill(1) },
    });
    const cspId = extension(AMD_OID.cspId, false, der.ia5String('CN=cloud.example'));
    expect(read({ hwId: undefined, cspId })()).toMatchObject({
      holder: { kind: 'vlek', cspId: 'CN=cloud.example' },
    });
  });
  it('evidence_certificate_malformed: every one that is missing or out of range', () => {
    for (const name of ['structVersion', 'productName', 'bootLoader', 'tee', 'snp', 'microcode'])
      expect(codeOf(read({ [name]: undefined }))).toBe(
        'evidence_certificate_malformed: AMD extension missing',
      );
    const malformed = (changes: Record<string, Bytes | undefined>, detail: string) =>
      expect(codeOf(read(changes))).toBe(`evidence_certificate_malformed: ${detail}`);
    malformed({ snp: level(AMD_OID.snp, 256) }, 'level over 255');
    malformed({ spare4: level(AMD_OID.spare4, 1) }, 'spare level set');
    malformed({ structVersion: level(AMD_OID.structVersion, 2) }, 'unknown structVersion');
    malformed({ fmc: level(AMD_OID.fmc, 0) }, 'FMC level on the wrong product');
    malformed({ hwId: undefined }, 'exactly one of hwID and CSP_ID expected');
    malformed(
      { cspId: extension(AMD_OID.cspId, false, der.ia5String('x')) },
      'exactly one of hwID and CSP_ID expected',
    );
    malformed(
      { hwId: extension(AMD_OID.hwId, false, der.octetString(new Uint8Array(8))) },
      'hwID of another length',
    );
    malformed({ hwId: extension(AMD_OID.hwId, false, new Uint8Array(63)) }, 'unexpected DER tag');
    malformed(
      { productName: extension(AMD_OID.productName, false, der.utf8String('Genoa')) },
      'unexpected DER tag',
    );
  });
});
