// The chain of a SEV-SNP report: leaf ← ASK or ASVK ← ARK, up to a root that is trusted (facts: AMD 57230 section 3).

import { equalBytes } from '../bytes/equal.ts';
import { toHex } from '../bytes/hex.ts';
import { formatInstant } from '../bytes/instant.ts';
import { type LeafExtensions, readLeafExtensions } from '../evidence/amd-extensions.ts';
import type { SnpEvidence } from '../evidence/bundle.ts';
import { SIMULATED_SUFFIX } from '../evidence/simulated-suffix.ts';
import type { SnpProduct } from '../evidence/tcb.ts';
import { type Certificate, parseCertificate } from '../evidence/x509.ts';
import type { VendorRoots } from './roots/vendor-roots.ts';
import type { Finding, StepLog } from './step.ts';
import type { EvidenceCode } from './verification-error.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';

const RSA_BITS = 4096;

/** Which roots count, and as what. */
export interface SnpTrust {
  readonly roots: VendorRoots;
  /** Whether evidence under the vendor's roots is wanted at all. */
  readonly hardware: boolean;
  /** Hex SHA-256 of the SubjectPublicKeyInfo of simulators' roots. */
  readonly simulated: readonly string[];
}

/** A chain whose signatures hold under a trusted root. */
export interface SnpChain {
  readonly assurance: 'hardware' | 'simulated';
  readonly product: SnpProduct;
  readonly leaf: Certificate;
  readonly extensions: LeafExtensions;
  readonly ask: Certificate;
  readonly ark: Certificate;
}

/** Takes the steps `snp.certificates`, `snp.root`, `snp.chain-profile`, `snp.chain`, `snp.validity`; stops at the first failure. */
export async function verifySnpChain(
  log: StepLog,
  evidence: Pick<SnpEvidence, 'leaf' | 'ask' | 'ark'>,
  trust: SnpTrust,
  now: Date,
  crypto: VerifierCrypto,
): Promise<SnpChain> {
  const certificates = await log.must('snp.certificates', 'The certificates have the form of AMD’s', () => {
    const leaf = parseCertificate(evidence.leaf.certificate);
    const value = {
      leaf,
      extensions: readLeafExtensions(leaf),
      ask: parseCertificate(evidence.ask),
      ark: parseCertificate(evidence.ark),
    };
    return {
      result: 'pass',
      actual: `${value.leaf.subjectCommonName} ← ${value.ask.subjectCommonName} ← ${value.ark.subjectCommonName}`,
      value,
    };
  });
  const { leaf, ask, ark } = certificates;

  const root = await log.must('snp.root', 'The root is one that you trust', async () =>
    recogniseRoot(ark, toHex(await crypto.digest('SHA-256', ark.spki)), trust),
  );
  const chain: SnpChain = { ...certificates, ...root };

  await log.must('snp.chain-profile', 'Names, keys and purposes along the chain fit', () =>
    checkProfile(chain, evidence.leaf.kind),
  );
  await log.must('snp.chain', 'Each certificate is signed by the one above', async () => {
    const pairs = [
      [ark, ark],
      [ask, ark],
      [leaf, ask],
    ] as const;
    const holds = await Promise.all(
      pairs.map(([subject, issuer]) => crypto.verifyRsaPss(issuer.spki, subject.signature, subject.tbs)),
    );
    const broken = pairs.find((_, index) => holds[index] !== true);
    if (broken)
      return {
        result: 'fail',
        code: 'evidence_chain_signature',
        expected: `signed by ${broken[1].subjectCommonName}`,
        actual: `${broken[0].subjectCommonName} is not`,
      };
    return { result: 'pass', expected: 'RSA-PSS with SHA-384 and salt 48, three times' };
  });
  await log.must('snp.validity', 'Each certificate is within its dates', () => {
    for (const certificate of [ark, ask, leaf])
      if (now < certificate.notBefore || now > certificate.notAfter)
        return {
          result: 'fail',
          code: 'evidence_certificate_not_valid_now',
          expected: formatInstant(now),
          actual: `${certificate.subjectCommonName}: ${describeValidity(certificate)}`,
        };
    return { result: 'pass', expected: formatInstant(now), actual: describeValidity(leaf) };
  });
  return chain;
}

function recogniseRoot(
  ark: Certificate,
  spkiSha256: string,
  trust: SnpTrust,
): Finding & { readonly value?: Pick<SnpChain, 'assurance' | 'product'> } {
  const vendor = trust.roots.amd.find((root) => root.spkiSha256 === spkiSha256);
  const actual = `${ark.subjectCommonName}, key ${spkiSha256}`;
  if (vendor && !trust.hardware)
    return { result: 'fail', code: 'policy_hardware_root', expected: 'a simulated root', actual };
  if (vendor)
    return {
      result: 'pass',
      expected: `AMD’s root for ${vendor.product}`,
      actual,
      value: { assurance: 'hardware', product: vendor.product },
    };
  const product = (['Milan', 'Genoa', 'Turin'] as const).find(
    (candidate) => ark.subjectCommonName === `ARK-${candidate}${SIMULATED_SUFFIX}`,
  );
  if (product && trust.simulated.includes(spkiSha256))
    return {
      result: 'pass',
      expected: 'a simulated root that your policy names',
      actual,
      value: { assurance: 'simulated', product },
    };
  const accepted = [
    ...(trust.hardware ? ['AMD’s roots'] : []),
    ...(trust.simulated.length > 0 ? [`${trust.simulated.length} simulated`] : []),
  ];
  return {
    result: 'fail',
    code: 'evidence_root_unknown',
    expected: accepted.length > 0 ? accepted.join(' or ') : 'no root is trusted',
    actual,
  };
}

function checkProfile(chain: SnpChain, claimed: 'vcek' | 'vlek'): Finding<EvidenceCode> {
  const { leaf, ask, ark, product, extensions, assurance } = chain;
  const suffix = assurance === 'simulated' ? SIMULATED_SUFFIX : '';
  const kind = extensions.holder.kind;
  const expectations: readonly (readonly [string, boolean])[] = [
    ['root is self-issued', equalBytes(ark.issuer, ark.subject)],
    ['intermediate is issued by the root', equalBytes(ask.issuer, ark.subject)],
    ['leaf is issued by the intermediate', equalBytes(leaf.issuer, ask.subject)],
    ['root is named for its product', ark.subjectCommonName === `ARK-${product}${suffix}`],
    [
      'intermediate is of the leaf’s kind',
      ask.subjectCommonName === (kind === 'vcek' ? `SEV-${product}` : `SEV-VLEK-${product}`) + suffix,
    ],
    [
      'leaf is of the kind that it was sent as',
      kind === claimed && leaf.subjectCommonName === `SEV-${kind.toUpperCase()}${suffix}`,
    ],
    [
      'root may sign certificates',
      ark.basicConstraints?.ca === true && ark.keyUsage?.certificateSign === true,
    ],
    ['root may sign revocation lists', ark.keyUsage?.crlSign === true],
    [
      'intermediate may sign leaves only',
      ask.basicConstraints?.ca === true &&
        ask.basicConstraints.pathLength === 0 &&
        ask.keyUsage?.certificateSign === true,
    ],
    ['leaf is no authority', leaf.basicConstraints?.ca !== true],
    ['root key is RSA-4096', isRsa4096(ark)],
    ['intermediate key is RSA-4096', isRsa4096(ask)],
    ['leaf key is P-384', leaf.publicKey.kind === 'p384'],
  ];
  const broken = expectations.find(([, holds]) => !holds);
  return broken
    ? { result: 'fail', code: 'evidence_chain_profile', expected: broken[0], actual: 'it does not hold' }
    : { result: 'pass', expected: `${kind.toUpperCase()} of ${product}`, actual: leaf.subjectCommonName };
}

function isRsa4096(certificate: Certificate): boolean {
  return certificate.publicKey.kind === 'rsa' && certificate.publicKey.modulusBits === RSA_BITS;
}

function describeValidity(certificate: Certificate): string {
  return `${formatInstant(certificate.notBefore)} to ${formatInstant(certificate.notAfter)}`;
}
