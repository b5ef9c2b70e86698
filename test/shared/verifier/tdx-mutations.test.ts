import { expect, it } from 'vitest';
import type { TdxEvidence } from '../../../shared/evidence/tdx-evidence.ts';
import { judgeTdx } from '../../../shared/verifier/judge-tdx.ts';
import { StepLog, StoppedVerification } from '../../../shared/verifier/step.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { verifyTdxEvidence } from '../../../shared/verifier/verify-tdx-evidence.ts';
import { soundTdxReference, tdxEvidence, tdxNow, tdxRoots } from './tdx-platform.ts';

// Some bits of each part on every run; a longer search names its number.
const SAMPLES = Number(process.env.CLOISTER_FLIPS ?? 40);

async function isAccepted(evidence: TdxEvidence): Promise<boolean> {
  const log = new StepLog();
  try {
    const trust = { roots: tdxRoots, hardware: true };
    judgeTdx(log, await verifyTdxEvidence(log, evidence, trust, tdxNow, webCrypto), soundTdxReference);
  } catch (error) {
    // Anything but a recorded failure is a bug, and fails the test.
    if (!(error instanceof StoppedVerification)) throw error;
  }
  return log.violations.length === 0;
}

/** Bits spread over all octets: every so many, at a position in the octet that wanders. */
function* flips(octets: Uint8Array<ArrayBuffer>, count: number): Generator<Uint8Array<ArrayBuffer>> {
  const bits = octets.length * 8;
  const stride = Math.max(1, Math.floor(bits / count));
  for (let bit = stride % 13; bit < bits; bit += stride) {
    const copy = octets.slice();
    copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
    yield copy;
  }
}

type Part = readonly [
  string,
  (of: TdxEvidence) => Uint8Array<ArrayBuffer>,
  (of: TdxEvidence, put: Uint8Array<ArrayBuffer>) => TdxEvidence,
];
const parts: readonly Part[] = [
  ['the quote', (of) => of.quote, (of, quote) => ({ ...of, quote })],
  [
    'TCB info',
    (of) => of.tcbInfo.document,
    (of, document) => ({ ...of, tcbInfo: { ...of.tcbInfo, document } }),
  ],
  [
    'its signature',
    (of) => of.tcbInfo.signature,
    (of, signature) => ({ ...of, tcbInfo: { ...of.tcbInfo, signature } }),
  ],
  ['its signer', (of) => of.tcbInfo.signer, (of, signer) => ({ ...of, tcbInfo: { ...of.tcbInfo, signer } })],
  [
    'QE identity',
    (of) => of.qeIdentity.document,
    (of, document) => ({ ...of, qeIdentity: { ...of.qeIdentity, document } }),
  ],
  [
    'its signature too',
    (of) => of.qeIdentity.signature,
    (of, signature) => ({ ...of, qeIdentity: { ...of.qeIdentity, signature } }),
  ],
  [
    'its signer too',
    (of) => of.qeIdentity.signer,
    (of, signer) => ({ ...of, qeIdentity: { ...of.qeIdentity, signer } }),
  ],
  ['the PCK list', (of) => of.pckCrl, (of, pckCrl) => ({ ...of, pckCrl })],
  ['the root list', (of) => of.rootCrl, (of, rootCrl) => ({ ...of, rootCrl })],
];

for (const version of [4, 5] as const)
  for (const [name, get, put] of parts)
    it(`version ${version}: every sampled bit of ${name}, flipped, is refused`, async () => {
      const sound = tdxEvidence({ version });
      expect(await isAccepted(sound)).toBe(true);
      let tried = 0;
      for (const flipped of flips(get(sound), name === 'the quote' ? 3 * SAMPLES : SAMPLES)) {
        tried++;
        expect(await isAccepted(put(sound, flipped)), `flip ${tried}`).toBe(false);
      }
      expect(tried).toBeGreaterThanOrEqual(SAMPLES);
    }, 600_000);
