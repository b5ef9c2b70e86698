// The strictness of certificates and revocation lists, rule by rule: nothing more in any value, and every bound on both sides.

import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import * as write from '../../../backend/tee/simulated/der-writer.ts';
import {
  authorityExtensions,
  extension,
  makeCertificate,
  makeCrl,
} from '../../../backend/tee/simulated/make-certificate.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { fromHex, toHex } from '../../../shared/bytes/hex.ts';
import { AMD_OID, readLeafExtensions } from '../../../shared/evidence/amd-extensions.ts';
import { parseCrl } from '../../../shared/evidence/crl.ts';
import { readEcdsaSignature } from '../../../shared/evidence/ecdsa-signature.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { readPckExtensions } from '../../../shared/evidence/tdx-pck-extensions.ts';
import { parseCertificate } from '../../../shared/evidence/x509.ts';
import { makeIntelCertificate, makeIntelCrl, pckExtension, usage } from '../verifier/tdx-authority.ts';
import { soundPck } from '../verifier/tdx-platform.ts';
import { type DerNode, lengthened, readTree, writeTree } from './der-tree.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const dates = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2027-01-01T00:00:00Z') };
const NULL: DerNode = { tag: 0x05, octets: new Uint8Array() };

function amd(changes: Partial<Parameters<typeof makeCertificate>[0]> = {}): Bytes {
  return makeCertificate({
    serial: 5,
    issuer: 'Issuer',
    subject: 'Subject',
    ...dates,
    key: p384.publicKey,
    extensions: [],
    signer: rsa.privateKey,
    ...changes,
  });
}
function intel(changes: Partial<Parameters<typeof makeIntelCertificate>[0]> = {}): Bytes {
  return makeIntelCertificate({
    serial: 5,
    issuer: 'Issuer',
    subject: 'Subject',
    ...dates,
    key: p256.privateKey,
    signer: p256.privateKey,
    extensions: usage('leaf'),
    ...changes,
  });
}
function refusalOf(read: () => unknown): string {
  try {
    read();
    return 'accepted';
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    return `${error.code}: ${error.detail}`;
  }
}
/** The octets with the first occurrence of a piece replaced by another of the same length. */
function replaced(octets: Bytes, find: Uint8Array, put: Uint8Array): Bytes {
  const [hex, from] = [toHex(octets), toHex(find)];
  expect(hex).toContain(from);
  return fromHex(hex.replace(from, toHex(put)));
}

const amdLeaf = amd({
  extensions: [
    ...[AMD_OID.structVersion, AMD_OID.bootLoader, AMD_OID.tee, AMD_OID.snp, AMD_OID.microcode].map((id) =>
      extension(id, false, write.integer(0)),
    ),
    extension(AMD_OID.productName, false, write.ia5String('Genoa')),
    extension(AMD_OID.cspId, false, write.ia5String('CN=cloud.example')),
  ],
});
const pck = intel({ extensions: [...usage('leaf'), pckExtension(soundPck)] });
const amdList = (revokedSerials: readonly number[]) =>
  makeCrl({
    issuer: 'Issuer',
    thisUpdate: dates.notBefore,
    nextUpdate: dates.notAfter,
    number: 1,
    revokedSerials,
    signer: rsa.privateKey,
  });
const intelList = makeIntelCrl({
  issuer: 'Issuer',
  thisUpdate: dates.notBefore,
  nextUpdate: dates.notAfter,
  revokedSerials: [7],
  signer: p256.privateKey,
});

describe('one more value at the end of any value is refused', () => {
  const cases: readonly (readonly [string, Bytes, (octets: Bytes) => unknown, string])[] = [
    [
      'AMD’s authority',
      amd({ key: rsa.publicKey, extensions: authorityExtensions('intermediate') }),
      (octets) => parseCertificate(octets),
      'evidence_certificate_malformed',
    ],
    [
      'AMD’s leaf',
      amdLeaf,
      (octets) => readLeafExtensions(parseCertificate(octets)),
      'evidence_certificate_malformed',
    ],
    [
      'Intel’s leaf',
      pck,
      (octets) => readPckExtensions(parseCertificate(octets, 'intel')),
      'evidence_certificate_malformed',
    ],
    ['AMD’s list', amdList([7]), (octets) => parseCrl(octets), 'evidence_crl_malformed'],
    ['Intel’s list', intelList, (octets) => parseCrl(octets, 'intel'), 'evidence_crl_malformed'],
  ];
  for (const [name, sound, read, code] of cases)
    it(name, () => {
      expect(writeTree(readTree(sound))).toEqual(sound);
      expect(refusalOf(() => read(sound))).toBe('accepted');
      expect(refusalOf(() => read(concat(sound, write.nullValue())))).toBe(`${code}: trailing octets in DER`);
      let tried = 0;
      for (const { path, octets } of lengthened(sound, NULL)) {
        // An issuer's name is not read: it must be, octet by octet, a subject that was.
        if (path.startsWith(code === 'evidence_crl_malformed' ? '0.0.2' : '0.0.3')) continue;
        tried++;
        expect(
          refusalOf(() => read(octets)),
          path,
        ).toMatch(new RegExp(`^(${code}|evidence_algorithm_unsupported):`));
      }
      expect(tried).toBeGreaterThan(8);
    });

  // What is inside OCTET STRING and BIT STRING is DER of its own, which the search above does not enter.
  it('inside keys', () => {
    for (const [key, vendor, signer] of [
      [rsa.publicKey, 'amd', rsa.privateKey],
      [p384.publicKey, 'amd', rsa.privateKey],
    ] as const) {
      const spki = new Uint8Array(key.export({ type: 'spki', format: 'der' }));
      const [outer] = readTree(spki);
      const bits = outer && 'values' in outer ? outer.values[1] : undefined;
      if (!bits || !('octets' in bits)) throw new Error('no key');
      const longer = readTree(spki).map((node) =>
        'values' in node
          ? {
              ...node,
              values: [
                node.values[0] as DerNode,
                { tag: 3, octets: concat(bits.octets, Uint8Array.of(5, 0)) },
              ],
            }
          : node,
      );
      const bent = bendKey(amd({ key, signer }), spki, writeTree(longer));
      expect(refusalOf(() => parseCertificate(bent, vendor))).toMatch(/^evidence_certificate_malformed/);
    }
  });
  it('inside constraints and uses', () => {
    for (const value of [
      write.sequence(write.boolean(true), write.integer(0), write.nullValue()),
      concat(write.sequence(), write.nullValue()),
    ])
      expect(
        refusalOf(() => parseCertificate(amd({ extensions: [extension('2.5.29.19', true, value)] }))),
      ).toMatch(/^evidence_certificate_malformed: trailing/);
    const twice = concat(write.bitString(Uint8Array.of(6), 1), write.nullValue());
    expect(
      refusalOf(() => parseCertificate(amd({ extensions: [extension('2.5.29.15', true, twice)] }))),
    ).toBe('evidence_certificate_malformed: trailing octets in DER');
  });
  it('inside a chip’s id', () => {
    const sound = write.octetString(new Uint8Array(64));
    for (const [value, said] of [
      [sound, 'accepted'],
      [concat(sound, write.nullValue()), 'evidence_certificate_malformed: trailing octets in DER'],
    ] as const) {
      const levels = [AMD_OID.structVersion, AMD_OID.bootLoader, AMD_OID.tee, AMD_OID.snp, AMD_OID.microcode];
      const leaf = amd({
        extensions: [
          ...levels.map((id) => extension(id, false, write.integer(0))),
          extension(AMD_OID.productName, false, write.ia5String('Genoa')),
          extension(AMD_OID.hwId, false, value),
        ],
      });
      expect(refusalOf(() => readLeafExtensions(parseCertificate(leaf)))).toBe(said);
    }
  });
  it('inside AMD’s extensions', () => {
    for (const [id, value] of [
      [AMD_OID.snp, write.integer(0)],
      [AMD_OID.productName, write.ia5String('Genoa')],
    ] as const) {
      const leaf = amd({
        extensions: [
          AMD_OID.structVersion,
          AMD_OID.bootLoader,
          AMD_OID.tee,
          AMD_OID.snp,
          AMD_OID.microcode,
          AMD_OID.productName,
          AMD_OID.cspId,
        ].map((each) => {
          const sound =
            each === AMD_OID.productName || each === AMD_OID.cspId
              ? write.ia5String('Genoa')
              : write.integer(0);
          return extension(each, false, each === id ? concat(value, write.nullValue()) : sound);
        }),
      });
      expect(refusalOf(() => readLeafExtensions(parseCertificate(leaf)))).toBe(
        'evidence_certificate_malformed: trailing octets in DER',
      );
    }
  });
});

/** A certificate with another SubjectPublicKeyInfo; its signature is wrong then, which no reader judges. */
function bendKey(certificate: Bytes, spki: Bytes, put: Bytes): Bytes {
  const [outer] = readTree(certificate);
  if (!outer || !('values' in outer)) throw new Error('no certificate');
  const [tbs, ...rest] = outer.values;
  if (!tbs || !('values' in tbs)) throw new Error('no certificate');
  const values = tbs.values.map((node) =>
    toHex(writeTree([node])) === toHex(spki) ? (readTree(put)[0] as DerNode) : node,
  );
  return writeTree([{ tag: 0x30, values: [{ tag: 0x30, values }, ...rest] }]);
}

describe('bounds', () => {
  it('sizes are judged before anything is read, and exactly', () => {
    for (const vendor of ['amd', 'intel', 'nvidia'] as const) {
      expect(refusalOf(() => parseCertificate(new Uint8Array(16 * 1024), vendor))).toBe(
        'evidence_certificate_malformed: unexpected DER tag',
      );
      expect(refusalOf(() => parseCertificate(new Uint8Array(16 * 1024 + 1), vendor))).toMatch(
        /^evidence_too_large/,
      );
      expect(refusalOf(() => parseCrl(new Uint8Array(256 * 1024), vendor))).toBe(
        'evidence_crl_malformed: unexpected DER tag',
      );
      expect(refusalOf(() => parseCrl(new Uint8Array(256 * 1024 + 1), vendor))).toMatch(
        /^evidence_too_large/,
      );
    }
  });
  it('serial numbers keep their inner zeros', () => {
    expect(parseCertificate(amd({ serial: 0x1001 })).serial).toBe('1001');
    expect([...parseCrl(amdList([0x1001, 0x500])).revoked]).toEqual(['1001', '500']);
    expect([...parseCrl(amdList([0])).revoked]).toEqual(['0']);
  });
  it('a common name has at most 64 octets of printable ASCII, and there is one', () => {
    const named = (subject: string) => refusalOf(() => parseCertificate(amd({ subject })));
    expect(named(`${'x'.repeat(62)}~ `)).toBe('accepted');
    for (const subject of ['x'.repeat(65), 'x\u007f', 'x\u001f'])
      expect(named(subject)).toBe('evidence_certificate_malformed: common name outside printable ASCII');
    const commonName = write.oid('2.5.4.3');
    const sound = amd();
    expect(refusalOf(() => parseCertificate(replaced(sound, write.oid('2.5.4.10'), commonName)))).toBe(
      'accepted',
    );
    const inSubject = fromHex(
      (() => {
        const hex = toHex(sound);
        const at = hex.lastIndexOf(toHex(write.oid('2.5.4.10')));
        return `${hex.slice(0, at)}${toHex(commonName)}${hex.slice(at + 10)}`;
      })(),
    );
    expect(refusalOf(() => parseCertificate(inSubject))).toMatch(/two common names|outside printable/);
  });
  it('a name attribute is UTF8String or PrintableString', () => {
    const subject = write.utf8String('Subject');
    const other = concat(subject);
    other[0] = 0x16;
    expect(refusalOf(() => parseCertificate(replaced(amd(), subject, other)))).toBe(
      'evidence_certificate_malformed: name attribute in another string form',
    );
    other[0] = 0x13;
    expect(refusalOf(() => parseCertificate(replaced(amd(), subject, other)))).toBe('accepted');
  });
  it('AMD’s texts have at most 128 octets of printable ASCII', () => {
    const read = (text: string) =>
      refusalOf(() =>
        readLeafExtensions(parseCertificate(replaceExtension(AMD_OID.cspId, write.ia5String(text)))),
      );
    expect(read(`${'x'.repeat(126)} ~`)).toBe('accepted');
    for (const text of ['x'.repeat(129), 'x\u001f', 'x\u007f', 'é'])
      expect(read(text)).toBe('evidence_certificate_malformed: text outside printable ASCII');
    const level = (value: number) =>
      refusalOf(() =>
        readLeafExtensions(parseCertificate(replaceExtension(AMD_OID.snp, write.integer(value)))),
      );
    expect([level(255), level(256)]).toEqual(['accepted', 'evidence_certificate_malformed: level over 255']);
  });
});

function replaceExtension(id: string, value: Bytes): Bytes {
  const all = [AMD_OID.structVersion, AMD_OID.bootLoader, AMD_OID.tee, AMD_OID.snp, AMD_OID.microcode];
  return amd({
    extensions: [
      ...all.map((each) => extension(each, false, each === id ? value : write.integer(0))),
      extension(AMD_OID.productName, false, write.ia5String('Genoa')),
      extension(AMD_OID.cspId, false, id === AMD_OID.cspId ? value : write.ia5String('CN=cloud.example')),
    ],
  });
}

describe('keys', () => {
  const spkiOf = (key: KeyObject) =>
    new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));
  it('points are uncompressed and whole', () => {
    const spki = spkiOf(p384.privateKey);
    const point = spki.slice(-97);
    expect(
      refusalOf(() => parseCertificate(replaced(amd(), point, concat(Uint8Array.of(2), point.subarray(1))))),
    ).toBe('evidence_certificate_malformed: P-384 point in another form');
    const short = write.sequence(
      write.sequence(write.oid('1.2.840.10045.2.1'), write.oid('1.3.132.0.34')),
      write.bitString(point.subarray(0, 96)),
    );
    expect(refusalOf(() => parseCertificate(bendKey(amd(), spki, short)))).toBe(
      'evidence_certificate_malformed: P-384 point in another form',
    );
  });
  it('RSA is AMD’s alone', () => {
    expect(refusalOf(() => parseCertificate(intel({ key: rsa.privateKey }), 'intel'))).toBe(
      'evidence_algorithm_unsupported: public key is not P-256',
    );
  });
  it('RSA moduli fill their octets, and parameters are NULL', () => {
    const spki = spkiOf(rsa.privateKey);
    const made = (modulus: Bytes, parameter = write.nullValue()) =>
      refusalOf(() =>
        parseCertificate(
          bendKey(
            amd({ key: rsa.publicKey }),
            spki,
            write.sequence(
              write.sequence(write.oid('1.2.840.113549.1.1.1'), parameter),
              write.bitString(write.sequence(write.der(2, modulus), write.integer(65537))),
            ),
          ),
        ),
      );
    expect(made(concat(Uint8Array.of(0, 0x80), new Uint8Array(127)))).toBe('accepted');
    for (const modulus of [
      concat(Uint8Array.of(0x80), new Uint8Array(127)),
      concat(Uint8Array.of(1, 0x80), new Uint8Array(127)),
      concat(Uint8Array.of(0, 0x7f), new Uint8Array(127)),
      Uint8Array.of(0),
      new Uint8Array(),
    ])
      expect(made(modulus)).toBe('evidence_algorithm_unsupported: RSA key outside the profile');
    expect(made(concat(Uint8Array.of(0, 0x80)), write.der(5, Uint8Array.of(0)))).toBe(
      'evidence_certificate_malformed: key parameters not empty',
    );
  });
});

describe('key usage', () => {
  const read = (value: Bytes) => {
    const holder = write.der(3, value);
    return parseCertificate(amd({ extensions: [extension('2.5.29.15', true, holder)] })).keyUsage;
  };
  it('is read bit by bit', () => {
    expect(read(Uint8Array.of(2, 0x04))).toEqual({ certificateSign: true, crlSign: false });
    expect(read(Uint8Array.of(1, 0x02))).toEqual({ certificateSign: false, crlSign: true });
    expect(read(Uint8Array.of(7, 0x80))).toEqual({ certificateSign: false, crlSign: false });
    expect(read(Uint8Array.of(7, 0x06, 0x80))).toEqual({ certificateSign: true, crlSign: true });
  });
  it('is refused in another form', () => {
    for (const value of [
      Uint8Array.of(),
      Uint8Array.of(0),
      Uint8Array.of(8, 0x04),
      Uint8Array.of(0, 4, 0, 0),
    ])
      expect(refusalOf(() => read(value))).toBe('evidence_certificate_malformed: key usage in another form');
  });
});

describe('RSASSA-PSS', () => {
  const sha384 = write.oid('2.16.840.1.101.3.4.2.2');
  const algorithm = (parts: { parameter?: Bytes; trailer?: readonly Bytes[] } = {}) => {
    const hash = write.sequence(sha384, ...(parts.parameter ? [parts.parameter] : []));
    return write.sequence(
      write.oid('1.2.840.113549.1.1.10'),
      write.sequence(
        write.explicit(0, hash),
        write.explicit(1, write.sequence(write.oid('1.2.840.113549.1.1.8'), hash)),
        write.explicit(2, write.integer(48)),
        ...(parts.trailer ? [write.explicit(3, ...parts.trailer)] : []),
      ),
    );
  };
  const read = (parts: Parameters<typeof algorithm>[0]) => readAs(algorithm(parts));
  const readAs = (octets: Bytes) => {
    const [outer] = readTree(amd());
    if (!outer || !('values' in outer)) throw new Error('no certificate');
    const [tbs, , signature] = outer.values;
    if (!tbs || !('values' in tbs) || !signature) throw new Error('no certificate');
    const put = readTree(octets)[0] as DerNode;
    const values = tbs.values.with(2, put);
    const certificate = writeTree([{ tag: 0x30, values: [{ tag: 0x30, values }, put, signature] }]);
    return refusalOf(() => parseCertificate(certificate));
  };
  it('has nothing more in any of its parts', () => {
    const sound = algorithm({ parameter: write.nullValue(), trailer: [write.integer(1)] });
    expect(readAs(sound)).toBe('accepted');
    const all = [...lengthened(sound, NULL)];
    expect(all).toHaveLength(9);
    for (const { path, octets } of all)
      expect(readAs(octets), path).toBe('evidence_certificate_malformed: trailing octets in DER');
  });
  it('has its parameters with NULL or without, and a trailer of 1 or none', () => {
    expect(read({})).toBe('accepted');
    expect(read({ parameter: write.nullValue() })).toBe('accepted');
    expect(read({ trailer: [write.integer(1)] })).toBe('accepted');
    expect(read({ trailer: [write.integer(2)] })).toBe(
      'evidence_algorithm_unsupported: PSS trailer is not 1',
    );
    expect(read({ trailer: [write.integer(1), write.nullValue()] })).toBe(
      'evidence_certificate_malformed: trailing octets in DER',
    );
    expect(read({ parameter: write.der(5, Uint8Array.of(0)) })).toBe(
      'evidence_algorithm_unsupported: PSS hash is not SHA-384',
    );
  });
});

describe('ECDSA', () => {
  it('has no parameters', () => {
    const algorithm = write.sequence(write.oid('1.2.840.10045.4.3.2'), write.nullValue());
    const body = write.sequence(
      write.integer(1),
      algorithm,
      write.sequence(),
      write.time(dates.notBefore),
      write.time(dates.notAfter),
    );
    const list = write.sequence(body, algorithm, write.bitString(sign('sha256', body, p256.privateKey)));
    expect(refusalOf(() => parseCrl(list, 'intel'))).toBe('evidence_crl_malformed: trailing octets in DER');
  });
  it('a signature is one pair of whole numbers, each in its place', () => {
    const number = new Uint8Array(32).fill(0x11);
    const pair = write.sequence(write.der(2, Uint8Array.of(5)), write.der(2, number));
    expect(toHex(readEcdsaSignature(pair, 32, 'evidence_certificate_malformed'))).toBe(
      `${'00'.repeat(31)}05${'11'.repeat(32)}`,
    );
    for (const bad of [
      concat(pair, write.nullValue()),
      write.sequence(write.integer(5), write.integer(5), write.integer(5)),
      write.sequence(write.integer(5)),
      write.sequence(write.der(2, new Uint8Array(33).fill(0x11)), write.integer(5)),
    ])
      expect(refusalOf(() => readEcdsaSignature(bad, 32, 'evidence_crl_malformed'))).toMatch(
        /^evidence_crl_malformed/,
      );
  });
  it('is with the hash of its vendor', () => {
    expect(refusalOf(() => parseCertificate(pck, 'nvidia'))).toBe(
      'evidence_algorithm_unsupported: signature is not ECDSA with SHA-384',
    );
    expect(refusalOf(() => parseCertificate(amdLeaf, 'intel'))).toBe(
      'evidence_algorithm_unsupported: signature is not ECDSA with SHA-256',
    );
    const parsed = parseCertificate(pck, 'intel');
    expect(parsed.signature.length).toBe(64);
  });
});

describe('revocation lists', () => {
  const ALGORITHM = write.sequence(write.oid('1.2.840.10045.4.3.2'));
  const NAME = write.sequence(write.set(write.sequence(write.oid('2.5.4.3'), write.utf8String('Issuer'))));
  const TIMES = [write.time(dates.notBefore), write.time(dates.notAfter)];
  const list = (...tbs: readonly Bytes[]): Bytes => {
    const body = write.sequence(...tbs);
    return write.sequence(body, ALGORITHM, write.bitString(sign('sha256', body, p256.privateKey)));
  };
  const read = (octets: Bytes) => refusalOf(() => parseCrl(octets, 'intel'));

  it('are of version 2', () => {
    expect(read(list(write.integer(1), ALGORITHM, NAME, ...TIMES))).toBe('accepted');
    expect(read(list(write.integer(0), ALGORITHM, NAME, ...TIMES))).toBe(
      'evidence_crl_malformed: not a version 2 list',
    );
  });
  it('name one algorithm', () => {
    const other = write.sequence(write.oid('1.2.840.10045.4.3.3'));
    expect(read(list(write.integer(1), other, NAME, ...TIMES))).toBe(
      'evidence_crl_malformed: two signature algorithms',
    );
  });
  it('say nothing rather than an empty list', () => {
    expect(read(list(write.integer(1), ALGORITHM, NAME, ...TIMES, write.sequence()))).toBe(
      'evidence_crl_malformed: empty list of revoked certificates',
    );
  });
  it('have entries of a number, a time, and extensions that need not be understood', () => {
    const [time] = TIMES as [Bytes];
    const reason = (critical: boolean) =>
      write.sequence(extension('2.5.29.21', critical, Uint8Array.of(0x0a, 1, 1)));
    const entry = (...more: readonly Bytes[]) =>
      read(
        list(
          write.integer(1),
          ALGORITHM,
          NAME,
          ...TIMES,
          write.sequence(write.sequence(write.integer(7), time, ...more)),
        ),
      );
    expect(entry()).toBe('accepted');
    expect(entry(reason(false))).toBe('accepted');
    expect(entry(reason(true))).toBe('evidence_crl_malformed: unknown critical extension');
    expect(entry(reason(false), write.nullValue())).toBe('evidence_crl_malformed: trailing octets in DER');
    expect(entry(write.nullValue())).toBe('evidence_crl_malformed: unexpected DER tag');
    expect(
      entry(
        write.sequence(
          write.sequence(write.oid('2.5.29.21'), write.octetString(Uint8Array.of(1)), write.nullValue()),
        ),
      ),
    ).toBe('evidence_crl_malformed: trailing octets in DER');
  });
  it('refuse critical extensions', () => {
    const critical = write.explicit(0, write.sequence(extension('2.5.29.20', true, write.integer(1))));
    expect(read(list(write.integer(1), ALGORITHM, NAME, ...TIMES, critical))).toBe(
      'evidence_crl_malformed: unknown critical extension',
    );
  });
});
