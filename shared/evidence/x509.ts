// Certificates of the vendors' profiles (RFC 5280, narrowed): read strictly, judged elsewhere.

import { type Bytes, concat } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import { toHex } from '../bytes/hex.ts';
import { fromUtf8 } from '../bytes/utf8.ts';
import { type CertificateVendor, VENDOR_ALGORITHM } from './certificate-vendor.ts';
import { CERTIFICATE_MAXIMUM_BYTES, DerReader, TAG } from './der.ts';
import { EvidenceError } from './evidence-error.ts';

export type { CertificateVendor } from './certificate-vendor.ts';

/** A public key as it stands in a certificate. `point`: 0x04 ‖ x ‖ y, 97 octets on P-384 and 65 on P-256. */
export type PublicKey =
  | { readonly kind: 'rsa'; readonly modulusBits: number }
  | { readonly kind: 'p256'; readonly point: Bytes }
  | { readonly kind: 'p384'; readonly point: Bytes };

export interface Extension {
  readonly critical: boolean;
  /** Content of extnValue. */
  readonly value: Bytes;
}

/** A certificate whose signature algorithm is its vendor's; every other one is refused. */
export interface Certificate {
  /** The signed octets. */
  readonly tbs: Bytes;
  /** RSA: as it stands. ECDSA: r ‖ s, both in full length. */
  readonly signature: Bytes;
  /** Hex without leading zeros; zero is `0`. */
  readonly serial: string;
  /** Name as DER: compared octet by octet. */
  readonly issuer: Bytes;
  readonly subject: Bytes;
  readonly subjectCommonName: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SubjectPublicKeyInfo as DER: its SHA-256 is what roots are pinned by. */
  readonly spki: Bytes;
  readonly publicKey: PublicKey;
  /** By dotted object identifier, basicConstraints and keyUsage included. */
  readonly extensions: ReadonlyMap<string, Extension>;
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | undefined } | undefined;
  /** Only the two uses that matter here. */
  readonly keyUsage: { readonly certificateSign: boolean; readonly crlSign: boolean } | undefined;
}

const OID = {
  commonName: '2.5.4.3',
  rsaEncryption: '1.2.840.113549.1.1.1',
  ecPublicKey: '1.2.840.10045.2.1',
  secp384r1: '1.3.132.0.34',
  prime256v1: '1.2.840.10045.3.1.7',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
} as const;
const P384 = { kind: 'p384', name: 'P-384', oid: OID.secp384r1, pointBytes: 97 } as const;
const P256 = { kind: 'p256', name: 'P-256', oid: OID.prime256v1, pointBytes: 65 } as const;
const CURVE = { amd: P384, intel: P256, nvidia: P384 } as const;
const UNDERSTOOD_WHEN_CRITICAL: ReadonlySet<string> = new Set([OID.basicConstraints, OID.keyUsage]);
const MAXIMUM_EXTENSIONS = 32;

/**
 * Reads one certificate.
 * @throws EvidenceError `evidence_too_large` before anything is read, `evidence_algorithm_unsupported` for another
 *   signature algorithm or key, `evidence_certificate_malformed` for everything else, unknown critical extensions included.
 */
export function parseCertificate(der: Uint8Array, vendor: CertificateVendor = 'amd'): Certificate {
  if (der.length > CERTIFICATE_MAXIMUM_BYTES)
    throw new EvidenceError('evidence_too_large', `certificate over ${CERTIFICATE_MAXIMUM_BYTES} octets`);
  const file = new DerReader(concat(der), 'evidence_certificate_malformed');
  const certificate = file.enter(TAG.sequence);
  file.end();
  const tbsValue = certificate.take(TAG.sequence);
  const outerAlgorithm = certificate.take(TAG.sequence);
  const signature = certificate.takeBits();
  certificate.end();

  const tbs = certificate.within(tbsValue);
  const version = tbs.enter(TAG.context0);
  if (version.takeSmallInteger() !== 2) throw version.error('not an X.509 version 3 certificate');
  version.end();
  const serial = toHex(tbs.takeUnsigned()).replace(/^0+/, '') || '0';
  const innerAlgorithm = tbs.take(TAG.sequence);
  // RFC 5280 section 4.1.1.2: the unsigned copy must equal the signed one.
  if (!equalBytes(innerAlgorithm.whole, outerAlgorithm.whole)) throw tbs.error('two signature algorithms');
  const algorithm = VENDOR_ALGORITHM[vendor];
  algorithm.read(new DerReader(innerAlgorithm.whole, 'evidence_certificate_malformed'));
  const issuer = tbs.take(TAG.sequence).whole;
  const validity = tbs.enter(TAG.sequence);
  const notBefore = validity.takeTime();
  const notAfter = validity.takeTime();
  validity.end();
  const subject = tbs.take(TAG.sequence).whole;
  const spki = tbs.take(TAG.sequence).whole;
  const extensions = readExtensions(tbs.enter(TAG.context3));
  tbs.end();

  return {
    tbs: tbsValue.whole,
    signature: algorithm.signature(signature, 'evidence_certificate_malformed'),
    serial,
    issuer,
    subject,
    subjectCommonName: readCommonName(subject),
    notBefore,
    notAfter,
    spki,
    publicKey: readPublicKey(spki, vendor),
    extensions,
    basicConstraints: readBasicConstraints(extensions),
    keyUsage: readKeyUsage(extensions),
  };
}

/**
 * Reads the content of an extensions field; used by certificates and revocation lists.
 * @throws EvidenceError with the reader's code on a duplicate, or on a critical extension outside `understood`.
 */
export function readExtensions(
  holder: DerReader,
  understood: ReadonlySet<string> = UNDERSTOOD_WHEN_CRITICAL,
): ReadonlyMap<string, Extension> {
  const all = holder.enter(TAG.sequence);
  holder.end();
  const extensions = new Map<string, Extension>();
  while (!all.done) {
    const one = all.enter(TAG.sequence);
    const oid = one.takeOid();
    const critical = one.nextTag === TAG.boolean && one.takeBoolean();
    const { content } = one.take(TAG.octetString);
    one.end();
    if (extensions.has(oid)) throw all.error('extension occurs twice');
    if (critical && !understood.has(oid)) throw all.error('unknown critical extension');
    if (extensions.size === MAXIMUM_EXTENSIONS) throw all.error('too many extensions');
    extensions.set(oid, { critical, value: content });
  }
  return extensions;
}

/** The common name of a Name, which must occur exactly once. */
function readCommonName(name: Bytes): string {
  const outer = new DerReader(name, 'evidence_certificate_malformed');
  const sets = outer.enter(TAG.sequence);
  let found: string | undefined;
  while (!sets.done) {
    const set = sets.enter(TAG.set);
    const attribute = set.enter(TAG.sequence);
    set.end();
    const oid = attribute.takeOid();
    const tag = attribute.nextTag;
    if (tag !== TAG.utf8String && tag !== TAG.printableString)
      throw attribute.error('name attribute in another string form');
    const { content } = attribute.take(tag);
    attribute.end();
    if (oid !== OID.commonName) continue;
    if (found !== undefined) throw attribute.error('two common names');
    // Shown to people, so nothing that a terminal would obey; 64 is ub-common-name (RFC 5280 appendix A.1).
    if (content.length > 64 || content.some((octet) => octet < 0x20 || octet > 0x7e))
      throw attribute.error('common name outside printable ASCII');
    found = fromUtf8(content);
  }
  if (found === undefined) throw sets.error('no common name');
  return found;
}

function readPublicKey(spki: Bytes, vendor: CertificateVendor): PublicKey {
  const outer = new DerReader(spki, 'evidence_certificate_malformed');
  const info = outer.enter(TAG.sequence);
  const algorithm = info.enter(TAG.sequence);
  const bits = info.takeBits();
  info.end();
  const oid = algorithm.takeOid();
  if (oid === OID.rsaEncryption && vendor === 'amd') {
    if (algorithm.take(TAG.null).content.length > 0) throw algorithm.error('key parameters not empty');
    algorithm.end();
    const holder = new DerReader(bits, 'evidence_certificate_malformed');
    const key = holder.enter(TAG.sequence);
    holder.end();
    return { kind: 'rsa', modulusBits: readModulusBits(key) };
  }
  const curve = CURVE[vendor];
  if (oid !== OID.ecPublicKey || algorithm.takeOid() !== curve.oid)
    throw new EvidenceError(
      'evidence_algorithm_unsupported',
      vendor === 'amd' ? 'public key is neither RSA nor P-384' : `public key is not ${curve.name}`,
    );
  algorithm.end();
  if (bits.length !== curve.pointBytes || bits[0] !== 0x04)
    throw info.error(`${curve.name} point in another form`);
  return { kind: curve.kind, point: bits };
}

// Sizes only: the key itself is imported from the SPKI by the crypto provider.
function readModulusBits(key: DerReader): number {
  const { content } = key.take(TAG.integer);
  const exponent = key.takeSmallInteger();
  key.end();
  if (content[0] !== 0 || content.length < 2 || (content[1] as number) < 0x80 || exponent !== 65537)
    throw new EvidenceError('evidence_algorithm_unsupported', 'RSA key outside the profile');
  return (content.length - 1) * 8;
}

function readBasicConstraints(extensions: ReadonlyMap<string, Extension>): Certificate['basicConstraints'] {
  const extension = extensions.get(OID.basicConstraints);
  if (!extension) return undefined;
  const outer = new DerReader(extension.value, 'evidence_certificate_malformed');
  const constraints = outer.enter(TAG.sequence);
  outer.end();
  const ca = constraints.nextTag === TAG.boolean && constraints.takeBoolean();
  const pathLength = constraints.nextTag === TAG.integer ? constraints.takeSmallInteger() : undefined;
  constraints.end();
  return { ca, pathLength };
}

function readKeyUsage(extensions: ReadonlyMap<string, Extension>): Certificate['keyUsage'] {
  const extension = extensions.get(OID.keyUsage);
  if (!extension) return undefined;
  const outer = new DerReader(extension.value, 'evidence_certificate_malformed');
  const { content } = outer.take(TAG.bitString);
  outer.end();
  const unused = content[0];
  const bits = content[1];
  if (unused === undefined || unused > 7 || bits === undefined || content.length > 3)
    throw outer.error('key usage in another form');
  // RFC 5280 section 4.2.1.3: keyCertSign is bit 5, cRLSign bit 6, counted from the top.
  return { certificateSign: (bits & 0x04) !== 0, crlSign: (bits & 0x02) !== 0 };
}
