// The certificates of vendors that a folder of vectors brings along: found by what they are, not by what they are called.

import type { Bytes } from '../../shared/bytes/concat.ts';
import { equalBytes } from '../../shared/bytes/equal.ts';
import { toHex } from '../../shared/bytes/hex.ts';
import { EvidenceError } from '../../shared/evidence/evidence-error.ts';
import { readPemCertificates } from '../../shared/evidence/pem.ts';
import { type Certificate, parseCertificate } from '../../shared/evidence/x509.ts';
import { webCrypto } from '../../shared/verifier/verifier-crypto.ts';
import type { Check, Judge, Vector, VectorFolder } from './vector.ts';

/** A certificate with its octets. */
export interface Anchor {
  readonly role: string;
  readonly der: Bytes;
  readonly certificate: Certificate;
}

/** Every certificate of the folder's trust anchors. */
export function anchorsOf(folder: VectorFolder): readonly Anchor[] {
  return folder.vectors.filter(({ kind }) => kind === 'trust-anchors').flatMap(readAnchors);
}

/** The certificates in PEM files of the folder; what is not a vendor's certificate is left out. */
export function readAnchorFiles(
  files: readonly { readonly role: string; readonly path: string }[],
  folder: VectorFolder,
): readonly Anchor[] {
  return files.flatMap(({ role, path }) => {
    const [der] = readPemCertificates(folder.read(path), 1, 1, 'evidence_certificate_malformed');
    const certificate = der && readAsAnyVendor(der);
    return certificate ? [{ role, der, certificate }] : [];
  });
}

function readAnchors({ files, folder }: Vector): readonly Anchor[] {
  return readAnchorFiles(files, folder);
}

function readAsAnyVendor(der: Bytes): Certificate | undefined {
  for (const vendor of ['amd', 'intel', 'nvidia'] as const)
    try {
      return parseCertificate(der, vendor);
    } catch (error) {
      if (!(error instanceof EvidenceError)) throw error;
    }
  return undefined;
}

/** Judges trust anchors: each is signed by one of them, and each key is the one that is said to be. */
export const judgeTrustAnchors: Judge = async (vector) => {
  const anchors = readAnchors(vector);
  const pins = (vector.facts?.pins ?? {}) as Record<string, { readonly spkiSha256?: string }>;
  const checks: Check[] = [
    { what: 'certificates read', expected: String(vector.files.length), actual: String(anchors.length) },
  ];
  let valid = anchors.length === vector.files.length;
  for (const { role, certificate } of anchors) {
    const issuer = anchors.find((other) => equalBytes(other.certificate.subject, certificate.issuer));
    valid &&= issuer !== undefined && (await isSigned(certificate, issuer.certificate));
    const pin = pins[role]?.spkiSha256;
    const spki = toHex(await webCrypto.digest('SHA-256', certificate.spki));
    if (pin) checks.push({ what: `key of ${role}`, expected: pin, actual: spki });
  }
  const crypto = vector.expected.crypto ?? 'valid';
  return [...checks, { what: 'crypto', expected: crypto, actual: valid ? 'valid' : 'invalid' }];
};

async function isSigned(certificate: Certificate, issuer: Certificate): Promise<boolean> {
  const { publicKey: key, spki } = issuer;
  const { signature, tbs } = certificate;
  if (key.kind === 'rsa') return webCrypto.verifyRsaPss(spki, signature, tbs);
  return key.kind === 'p256'
    ? webCrypto.verifyEcdsaP256(key.point, signature, tbs)
    : webCrypto.verifyEcdsaP384(key.point, signature, tbs);
}
