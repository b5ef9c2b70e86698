// The chain of a reference file: signer ← issuer for the architecture ← NVIDIA's authority ← pinned root, each what its place says.

import { equalBytes } from '../../shared/bytes/equal.ts';
import { toHex } from '../../shared/bytes/hex.ts';
import { EvidenceError } from '../../shared/evidence/evidence-error.ts';
import { type Certificate, parseCertificate } from '../../shared/evidence/x509.ts';
import { webCrypto } from '../../shared/verifier/verifier-crypto.ts';
import { RimError } from './rim-error.ts';

/** Signer, issuer, authority, root. */
export const RIM_CHAIN_LENGTH = 4;

// Signers for other architectures, for debug files and for other purposes stand under names of their own.
const NAMES: readonly RegExp[] = [
  /^HCC RIM L4 Signer$/,
  /^NVIDIA Reference Value L3 GH100 \d{3}$/,
  /^NVIDIA Reference Value GH100 CA$/,
  /^NVIDIA CoRIM signing Root CA$/,
];
const KEY_USAGE = '2.5.29.15';

/**
 * Validates the certificates, signer first, and gives the signer's public key (0x04 ‖ x ‖ y on P-384).
 * NVIDIA's certificates are read by the same strict reader as those of its devices: P-384 with SHA-384 and nothing else.
 * @param roots hex SHA-256 of the SubjectPublicKeyInfo of the roots that count.
 * @throws RimError `rim_key_info`, `rim_certificate_malformed`, `rim_root_unknown`, `rim_chain_profile`, `rim_chain_signature`,
 *   `rim_certificate_not_valid_then`.
 */
export async function verifyRimChain(
  chain: readonly Uint8Array[],
  roots: readonly string[],
  at: Date,
): Promise<Uint8Array<ArrayBuffer>> {
  const certificates = chain.map(read);
  const root = certificates.at(-1);
  if (!root) throw new RimError('rim_key_info', 'no certificate');
  if (!roots.includes(toHex(await webCrypto.digest('SHA-256', root.spki))))
    throw new RimError('rim_root_unknown', 'the chain ends elsewhere than in a root that counts');
  if (certificates.length !== RIM_CHAIN_LENGTH)
    throw new RimError('rim_key_info', `not ${RIM_CHAIN_LENGTH} certificates`);
  const issuerOf = (index: number) => certificates[Math.min(index + 1, RIM_CHAIN_LENGTH - 1)] as Certificate;
  for (const [index, certificate] of certificates.entries()) checkPlace(certificate, index, issuerOf(index));
  for (const [index, { signature, tbs }] of certificates.entries()) {
    const key = issuerOf(index).publicKey;
    if (key.kind !== 'p384' || !(await webCrypto.verifyEcdsaP384(key.point, signature, tbs)))
      throw new RimError('rim_chain_signature', `certificate ${index} is not signed by the one above`);
  }
  const outside = certificates.findIndex(({ notBefore, notAfter }) => at < notBefore || at > notAfter);
  if (outside >= 0)
    throw new RimError('rim_certificate_not_valid_then', `certificate ${outside} is outside its dates`);
  const { publicKey } = certificates[0] as Certificate;
  if (publicKey.kind !== 'p384') throw new RimError('rim_chain_profile', 'the signer’s key is not P-384');
  return publicKey.point;
}

function read(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der, 'nvidia');
  } catch (error) {
    if (error instanceof EvidenceError) throw new RimError('rim_certificate_malformed', error.detail);
    throw error;
  }
}

function checkPlace(certificate: Certificate, index: number, issuer: Certificate): void {
  const { basicConstraints, keyUsage, extensions, subjectCommonName } = certificate;
  const authority = index > 0;
  // RFC 5280 section 4.2.1.3: digitalSignature is bit 0, the highest of the BIT STRING’s first octet.
  const signs = ((extensions.get(KEY_USAGE)?.value[3] ?? 0) & 0x80) !== 0;
  const expectations: readonly (readonly [string, boolean])[] = [
    ['is issued by the next', equalBytes(certificate.issuer, issuer.subject)],
    ['has the name of its place', NAMES[index]?.test(subjectCommonName) === true],
    ['says whether it is an authority', basicConstraints !== undefined && keyUsage !== undefined],
    ['is an authority above the signer only', basicConstraints?.ca === authority],
    ['may sign certificates above the signer only', keyUsage?.certificateSign === authority],
    ['may sign, as signer', authority || signs],
    [
      'allows a path of this length',
      !authority || (basicConstraints?.pathLength ?? RIM_CHAIN_LENGTH) >= index - 1,
    ],
  ];
  const broken = expectations.find(([, holds]) => !holds);
  if (broken)
    throw new RimError('rim_chain_profile', `certificate ${index}: it does not hold that it ${broken[0]}`);
}
