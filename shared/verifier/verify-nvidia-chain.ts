// NVIDIA's chain: device leaf ← device identity ← provisioner ← architecture ← pinned root. Each level must be what its place says.

import { equalBytes } from '../bytes/equal.ts';
import { toHex } from '../bytes/hex.ts';
import { formatInstant } from '../bytes/instant.ts';
import type { NvidiaChain } from '../evidence/nvidia-chain.ts';
import { SIMULATED_SUFFIX } from '../evidence/simulated-suffix.ts';
import type { Certificate } from '../evidence/x509.ts';
import { compare, type Finding, type StepLog } from './step.ts';
import type { EvidenceCode } from './verification-error.ts';
import type { VerifierCrypto } from './verifier-crypto.ts';

/** Which roots count, and as what. */
export interface NvidiaTrust {
  /** NVIDIA's, hex SHA-256 of the SubjectPublicKeyInfo. */
  readonly roots: readonly string[];
  /** Whether devices under NVIDIA's roots are wanted at all. */
  readonly hardware: boolean;
  /** Simulators' roots, likewise. */
  readonly simulated: readonly string[];
}

/**
 * Takes the steps `gpu.root`, `gpu.chain-profile`, `gpu.chain`, `gpu.validity`; stops at the first failure.
 * @returns what the root counts as.
 */
export async function verifyNvidiaChain(
  log: StepLog,
  chain: NvidiaChain,
  trust: NvidiaTrust,
  now: Date,
  crypto: VerifierCrypto,
): Promise<'hardware' | 'simulated'> {
  const { certificates } = chain;
  const root = certificates[4];
  const assurance = await log.must('gpu.root', 'The device’s root is one that you trust', async () =>
    recogniseRoot(root, toHex(await crypto.digest('SHA-256', root.spki)), trust),
  );
  await log.must('gpu.chain-profile', 'Names, keys and purposes along the device’s chain fit', () =>
    checkProfile(chain),
  );
  await log.must('gpu.chain', 'Each of the device’s certificates is signed by the one above', async () => {
    const issuerOf = (index: number) => certificates[Math.min(index + 1, 4)] as Certificate;
    const holds = await Promise.all(
      certificates.map(async ({ signature, tbs }, index) => {
        const key = issuerOf(index).publicKey;
        return key.kind === 'p384' && crypto.verifyEcdsaP384(key.point, signature, tbs);
      }),
    );
    const broken = holds.indexOf(false);
    if (broken >= 0)
      return {
        result: 'fail',
        code: 'evidence_chain_signature',
        expected: `signed by ${issuerOf(broken).subjectCommonName}`,
        actual: `${(certificates[broken] as Certificate).subjectCommonName} is not`,
      };
    return { result: 'pass', expected: 'ECDSA P-384 with SHA-384, five times' };
  });
  await log.must('gpu.validity', 'Each of the device’s certificates is within its dates', () => {
    const outside = certificates.find(({ notBefore, notAfter }) => now < notBefore || now > notAfter);
    return compare(
      outside === undefined,
      'evidence_certificate_not_valid_now',
      formatInstant(now),
      outside
        ? `${outside.subjectCommonName}: ${formatInstant(outside.notBefore)} to ${formatInstant(outside.notAfter)}`
        : `until ${formatInstant(certificates[0].notAfter)}`,
    );
  });
  return assurance;
}

function recogniseRoot(
  root: Certificate,
  spkiSha256: string,
  trust: NvidiaTrust,
): Finding & { readonly value?: 'hardware' | 'simulated' } {
  const actual = `${root.subjectCommonName}, key ${spkiSha256}`;
  if (trust.roots.includes(spkiSha256))
    return trust.hardware
      ? { result: 'pass', expected: 'NVIDIA’s root', actual, value: 'hardware' }
      : { result: 'fail', code: 'policy_hardware_root', expected: 'a simulated root', actual };
  if (trust.simulated.includes(spkiSha256) && root.subjectCommonName.endsWith(SIMULATED_SUFFIX))
    return {
      result: 'pass',
      expected: 'a simulated root that your policy names',
      actual,
      value: 'simulated',
    };
  return { result: 'fail', code: 'evidence_root_unknown', expected: 'a root that you trust', actual };
}

function checkProfile({ certificates, architecture, deviceKey }: NvidiaChain): Finding<EvidenceCode> {
  const [leaf, device, ...authorities] = certificates;
  const expectations: readonly (readonly [string, boolean])[] = [
    [
      'each is issued by the next, the root by itself',
      certificates.every((certificate, index) =>
        equalBytes(certificate.issuer, (certificates[Math.min(index + 1, 4)] as Certificate).subject),
      ),
    ],
    ['leaf is no authority', leaf.basicConstraints?.ca !== true && leaf.keyUsage?.certificateSign !== true],
    [
      'all above the leaf may sign certificates',
      [device, ...authorities].every(
        ({ basicConstraints, keyUsage }) =>
          basicConstraints?.ca === true && keyUsage?.certificateSign === true,
      ),
    ],
    [
      'no path is longer than an authority allows',
      certificates.every(({ basicConstraints }, index) => (basicConstraints?.pathLength ?? 4) >= index - 1),
    ],
    ['keys are P-384', certificates.every(({ publicKey }) => publicKey.kind === 'p384')],
    ['device identity is of the leaf’s chip', device.subjectCommonName.startsWith(`${architecture} `)],
    ['leaf names the key that made it', deviceKey === undefined || equalBytes(deviceKey, device.spki)],
  ];
  const broken = expectations.find(([, holds]) => !holds);
  return broken
    ? { result: 'fail', code: 'evidence_chain_profile', expected: broken[0], actual: 'it does not hold' }
    : { result: 'pass', expected: `device of ${architecture}`, actual: leaf.subjectCommonName };
}
