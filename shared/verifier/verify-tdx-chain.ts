// The chains of a TDX quote and its collateral, up to Intel's pinned root: PCK ← PCK CA ← root, TCB signer ← root.

import type { Bytes } from '../bytes/concat.ts';
import { equalBytes } from '../bytes/equal.ts';
import { toHex } from '../bytes/hex.ts';
import { formatInstant } from '../bytes/instant.ts';
import { readPemCertificates } from '../evidence/pem.ts';
import { type PckExtensions, readPckExtensions } from '../evidence/tdx-pck-extensions.ts';
import { type Certificate, parseCertificate } from '../evidence/x509.ts';
import type { Reading } from './begin-early.ts';
import type { VendorRoots } from './roots/vendor-roots.ts';
import { compare, type Finding, type StepLog } from './step.ts';
import type { EvidenceCode } from './verification-error.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';

/** Which roots count. There is no simulator of TDX: other roots are unknown. */
export interface TdxTrust {
  readonly roots: VendorRoots;
  /** Whether evidence under the vendor's roots is wanted at all. */
  readonly hardware: boolean;
}

/** A chain whose signatures hold under Intel's root. */
export interface TdxChain {
  readonly pck: Certificate;
  readonly extensions: PckExtensions;
  readonly ca: Certificate;
  readonly root: Certificate;
}

const NAME = {
  root: 'Intel SGX Root CA',
  ca: ['Intel SGX PCK Platform CA', 'Intel SGX PCK Processor CA'] as readonly string[],
  pck: 'Intel SGX PCK Certificate',
  signer: 'Intel SGX TCB Signing',
} as const;

/**
 * Takes the steps `tdx.certificates`, `tdx.root`, `tdx.chain-profile`, `tdx.chain`, `tdx.validity`; stops at the first
 * failure. `pem`: the chain in the quote, leaf first.
 */
export async function verifyTdxChain(
  log: StepLog,
  pem: Bytes,
  trust: TdxTrust,
  now: Date,
  crypto: VerifierCrypto,
): Promise<TdxChain> {
  const chain = await log.must('tdx.certificates', 'The certificates have the form of Intel’s', () => {
    const [pck, ca, root] = readPemCertificates(pem, 3, 3, 'evidence_certificate_malformed').map((der) =>
      parseCertificate(der, 'intel'),
    ) as [Certificate, Certificate, Certificate];
    return {
      result: 'pass',
      actual: [pck, ca, root].map(({ subjectCommonName }) => subjectCommonName).join(' ← '),
      value: { pck, ca, root, extensions: readPckExtensions(pck) },
    };
  });
  const { pck, ca, root } = chain;
  const pairs = [
    [root, root],
    [ca, root],
    [pck, ca],
  ] as const;
  // Begun before they are asked for, so that nothing waits for another.
  const signatures = Promise.all(pairs.map(([subject, issuer]) => isSignedBy(subject, issuer, crypto)));
  signatures.catch(() => undefined);

  await log.must('tdx.root', 'The root is Intel’s', async () =>
    recogniseRoot(root, toHex(await crypto.digest('SHA-256', root.spki)), trust),
  );
  await log.must('tdx.chain-profile', 'Names and purposes along the chain fit', () =>
    checkRules([
      ['root is self-issued', equalBytes(root.issuer, root.subject)],
      ['root is named as such', root.subjectCommonName === NAME.root],
      [
        'root may sign certificates and revocation lists',
        isAuthority(root) && root.basicConstraints?.pathLength !== 0,
      ],
      ['PCK CA is issued by the root', equalBytes(ca.issuer, root.subject)],
      ['PCK CA is named as such', NAME.ca.includes(ca.subjectCommonName)],
      ['PCK CA may sign leaves only', isAuthority(ca) && (ca.basicConstraints?.pathLength ?? 0) === 0],
      ['PCK is issued by the PCK CA', equalBytes(pck.issuer, ca.subject)],
      ['PCK is named as such', pck.subjectCommonName === NAME.pck],
      ['PCK is no authority', isNoAuthority(pck)],
    ]),
  );
  await log.must('tdx.chain', 'Each certificate is signed by the one above', async () => {
    const holds = await signatures;
    const broken = pairs.find((_, index) => holds[index] !== true);
    if (broken) return notSigned(...broken);
    return { result: 'pass', expected: 'ECDSA P-256 with SHA-256, three times' };
  });
  await log.must('tdx.validity', 'Each certificate is within its dates', () =>
    checkDates([root, ca, pck], now),
  );
  return chain;
}

/**
 * Takes the step `tdx.<document>-signer`: the certificate that signed TCB info or QE identity, with all that is asked of
 * it at once; stops at its failure.
 */
export async function verifyTcbSigner(
  log: StepLog,
  document: 'tcb-info' | 'qe-identity',
  reading: Reading<Certificate>,
  root: Certificate,
  revoked: ReadonlySet<string>,
  now: Date,
  crypto: VerifierCrypto,
): Promise<Certificate> {
  return log.must(`tdx.${document}-signer`, 'Its signer is Intel’s and in force', async () => {
    const signer = reading.value;
    const profile = checkRules([
      ['signer is issued by the root', equalBytes(signer.issuer, root.subject)],
      ['signer is named as such', signer.subjectCommonName === NAME.signer],
      ['signer is no authority', isNoAuthority(signer)],
    ]);
    if (profile.result === 'fail') return profile;
    if (!(await isSignedBy(signer, root, crypto))) return notSigned(signer, root);
    const dates = checkDates([signer], now);
    if (dates.result === 'fail') return dates;
    return {
      ...compare(
        !revoked.has(signer.serial),
        'evidence_revoked',
        `serial ${signer.serial} not listed`,
        revoked.has(signer.serial) ? 'listed' : 'not listed',
      ),
      value: signer,
    };
  });
}

/** Whether the octets carry the P-256 signature of a certificate's key. */
export async function holdsUnder(
  issuer: Certificate,
  signature: Bytes,
  message: Bytes,
  crypto: VerifierCrypto,
): Promise<boolean> {
  const key = issuer.publicKey;
  return key.kind === 'p256' && (await crypto.verifyEcdsaP256(key.point, signature, message));
}

function isSignedBy(subject: Certificate, issuer: Certificate, crypto: VerifierCrypto): Promise<boolean> {
  return holdsUnder(issuer, subject.signature, subject.tbs, crypto);
}

function recogniseRoot(root: Certificate, spkiSha256: string, trust: TdxTrust): Finding {
  const known = trust.roots.intel?.some((candidate) => candidate.spkiSha256 === spkiSha256) === true;
  const actual = `${root.subjectCommonName}, key ${spkiSha256}`;
  if (!known) return { result: 'fail', code: 'evidence_root_unknown', expected: 'Intel’s root', actual };
  return trust.hardware
    ? { result: 'pass', expected: 'Intel’s root', actual }
    : { result: 'fail', code: 'policy_hardware_root', expected: 'a simulated root', actual };
}

function isAuthority(certificate: Certificate): boolean {
  const { basicConstraints, keyUsage } = certificate;
  return basicConstraints?.ca === true && keyUsage?.certificateSign === true && keyUsage.crlSign === true;
}

function isNoAuthority(certificate: Certificate): boolean {
  return certificate.basicConstraints?.ca === false && certificate.keyUsage?.certificateSign === false;
}

function checkRules(rules: readonly (readonly [string, boolean])[]): Finding<EvidenceCode> {
  const broken = rules.find(([, holds]) => !holds);
  return broken
    ? { result: 'fail', code: 'evidence_chain_profile', expected: broken[0], actual: 'it does not hold' }
    : { result: 'pass' };
}

function checkDates(certificates: readonly Certificate[], now: Date): Finding<EvidenceCode> {
  const expected = formatInstant(now);
  for (const { notBefore, notAfter, subjectCommonName } of certificates)
    if (now < notBefore || now > notAfter)
      return {
        result: 'fail',
        code: 'evidence_certificate_not_valid_now',
        expected,
        actual: `${subjectCommonName}: ${formatInstant(notBefore)} to ${formatInstant(notAfter)}`,
      };
  return { result: 'pass', expected };
}

function notSigned(subject: Certificate, issuer: Certificate): Finding<EvidenceCode> {
  return {
    result: 'fail',
    code: 'evidence_chain_signature',
    expected: `signed by ${issuer.subjectCommonName}`,
    actual: `${subject.subjectCommonName} is not`,
  };
}
