// What a responder's answers say of an NVIDIA device's certificates: only what is signed, current, and by whom the issuer lets speak.

import { type Bytes, concat } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import { DerReader, TAG } from '../evidence/der.ts';
import { EvidenceError } from '../evidence/evidence-error.ts';
import { type OcspResponse, parseOcspResponse, type SingleStatus } from '../evidence/ocsp-response.ts';
import { type Certificate, parseCertificate } from '../evidence/x509.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';
import type { CertificateStatus, CertificateStatusOf } from './verify-nvidia-gpu.ts';

/** Why an answer counts for nothing. */
export type OcspRefusal =
  | 'malformed'
  | 'other-certificate'
  | 'not-current'
  | 'other-nonce'
  | 'unknown-responder'
  | 'signature';

/** What one answer says of one certificate, or why it says nothing. */
export type OcspOutcome =
  | { readonly ok: true; readonly status: CertificateStatus }
  | { readonly ok: false; readonly refusal: OcspRefusal };

/** What an answer is held against. */
export interface OcspQuestion {
  readonly certificate: Certificate;
  /** Who issued it; its own chain has been or will be verified elsewhere. */
  readonly issuer: Certificate;
  /** What was sent along, at most 32 octets. Absent: an answer's dates alone bound its age. */
  readonly nonce?: Uint8Array | undefined;
  readonly now: Date;
  readonly crypto: VerifierCrypto;
}

const OID_EXTENDED_KEY_USAGE = '2.5.29.37';
const OID_OCSP_SIGNING = '1.3.6.1.5.5.7.3.9';
const OID_NO_CHECK = '1.3.6.1.5.5.7.48.1.5';

/**
 * Reads and verifies one answer (RFC 6960 section 3.2): about this certificate, within its dates, to this question, signed by the
 * issuer or by whom the issuer delegated. Never throws for a bad answer.
 */
export async function verifyOcspResponse(response: Uint8Array, question: OcspQuestion): Promise<OcspOutcome> {
  let read: OcspResponse;
  try {
    read = parseOcspResponse(response);
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    return { ok: false, refusal: 'malformed' };
  }
  const { certificate, issuer, nonce, now, crypto } = question;
  const status = await findStatus(read.statuses, certificate, issuer, crypto);
  if (!status) return { ok: false, refusal: 'other-certificate' };
  if (now < status.thisUpdate || now > status.nextUpdate || now < read.producedAt)
    return { ok: false, refusal: 'not-current' };
  if (nonce !== undefined && !(read.nonce && equalBytes(read.nonce, nonce)))
    return { ok: false, refusal: 'other-nonce' };
  const signer = await findSigner(read, issuer, now, crypto);
  if (!signer) return { ok: false, refusal: 'unknown-responder' };
  return (await isSigned(signer, read.signature, read.tbs, crypto))
    ? { ok: true, status: status.status }
    : { ok: false, refusal: 'signature' };
}

/**
 * Statuses out of a set of answers, for `gpuCertificateStatus`. `chain`: a device's certificates, leaf first, as DER. Whatever no
 * valid answer speaks of is `unknown`, which a manifest that wants revocation checked refuses; of two valid words the worse counts.
 * @throws EvidenceError when a certificate of the chain cannot be read.
 */
export async function readCertificateStatuses(
  answers: readonly Uint8Array[],
  chain: readonly Uint8Array[],
  facts: Omit<OcspQuestion, 'certificate' | 'issuer'>,
): Promise<CertificateStatusOf> {
  const copies = answers.map((answer) => concat(answer));
  const certificates = chain.map((der) => parseCertificate(der, 'nvidia'));
  const found = new Map<string, CertificateStatus>();
  for (const [index, certificate] of certificates.entries()) {
    const issuer = certificates[index + 1];
    if (!issuer) continue;
    for (const answer of copies) {
      const outcome = await verifyOcspResponse(answer, { ...facts, certificate, issuer });
      if (!outcome.ok) continue;
      const before = found.get(certificate.serial);
      if (before === undefined || BADNESS[outcome.status] > BADNESS[before])
        found.set(certificate.serial, outcome.status);
    }
  }
  return (serial) => found.get(serial) ?? 'unknown';
}

const BADNESS: Readonly<Record<CertificateStatus, number>> = { good: 0, unknown: 1, hold: 2, revoked: 3 };

async function findStatus(
  statuses: readonly SingleStatus[],
  certificate: Certificate,
  issuer: Certificate,
  crypto: VerifierCrypto,
): Promise<SingleStatus | undefined> {
  if (issuer.publicKey.kind !== 'p384') return undefined;
  const nameHash = await crypto.digest('SHA-384', issuer.subject);
  const keyHash = await crypto.digest('SHA-384', issuer.publicKey.point);
  return statuses.find(
    (status) =>
      status.serial === certificate.serial &&
      equalBytes(status.issuerNameHash, nameHash) &&
      equalBytes(status.issuerKeyHash, keyHash),
  );
}

// RFC 6960 section 4.2.2.2: the issuer itself, or one that the issuer itself certified for this and nothing longer.
async function findSigner(
  { responder, certificates }: OcspResponse,
  issuer: Certificate,
  now: Date,
  crypto: VerifierCrypto,
): Promise<Certificate | undefined> {
  const isNamed = (candidate: Certificate) =>
    !('name' in responder) || equalBytes(responder.name, candidate.subject);
  for (const der of certificates) {
    const delegate = readDelegate(der);
    if (
      delegate &&
      isNamed(delegate) &&
      equalBytes(delegate.issuer, issuer.subject) &&
      now >= delegate.notBefore &&
      now <= delegate.notAfter &&
      (await isSigned(issuer, delegate.signature, delegate.tbs, crypto))
    )
      return delegate;
  }
  return isNamed(issuer) ? issuer : undefined;
}

/** A certificate that may sign answers and whose own revocation nobody has to ask for; undefined for any other. */
function readDelegate(der: Bytes): Certificate | undefined {
  try {
    const certificate = parseCertificate(der, 'nvidia');
    const uses = certificate.extensions.get(OID_EXTENDED_KEY_USAGE);
    const isDelegate =
      uses !== undefined &&
      readUses(uses.value).includes(OID_OCSP_SIGNING) &&
      certificate.extensions.has(OID_NO_CHECK) &&
      certificate.basicConstraints?.ca !== true;
    return isDelegate ? certificate : undefined;
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    return undefined;
  }
}

function readUses(value: Bytes): readonly string[] {
  const outer = new DerReader(value, 'evidence_certificate_malformed');
  const all = outer.enter(TAG.sequence);
  outer.end();
  const uses: string[] = [];
  while (!all.done) uses.push(all.takeOid());
  return uses;
}

async function isSigned(
  signer: Certificate,
  signature: Bytes,
  message: Bytes,
  crypto: VerifierCrypto,
): Promise<boolean> {
  const key = signer.publicKey;
  return key.kind === 'p384' && crypto.verifyEcdsaP384(key.point, signature, message);
}
