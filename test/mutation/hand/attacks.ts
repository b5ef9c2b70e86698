// Attacks on the verifier, each of which one line of it stops. Bundled with and without that line by the test beside.

import { toHex } from '../../../shared/bytes/hex.ts';
import { judgeTdx } from '../../../shared/verifier/judge-tdx.ts';
import { StepLog, StoppedVerification } from '../../../shared/verifier/step.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { verifyNvidiaGpu } from '../../../shared/verifier/verify-nvidia-gpu.ts';
import { verifyOcspResponse } from '../../../shared/verifier/verify-ocsp.ts';
import { verifySnpEvidence } from '../../../shared/verifier/verify-snp-evidence.ts';
import { verifyTdxEvidence } from '../../../shared/verifier/verify-tdx-evidence.ts';
import { now, testPlatform } from '../../backend/tee/simulated-node.ts';
import { day, generatedSnp, rootsFor, type SnpChanges } from '../../shared/verifier/generated-snp.ts';
import { gpuRoot, makeGpu } from '../../shared/verifier/nvidia-fixture.ts';
import {
  device,
  issuer,
  makeAnswer,
  NONCE,
  keys as ocspKeys,
  ocspNow,
} from '../../shared/verifier/ocsp-fixture.ts';
import {
  keys,
  soundTdxReference,
  type TdxChanges,
  tdxEvidence,
  tdxNow,
  tdxRoots,
} from '../../shared/verifier/tdx-platform.ts';

async function completes(log: StepLog, verify: () => Promise<unknown>): Promise<boolean> {
  try {
    await verify();
  } catch (error) {
    if (!(error instanceof StoppedVerification)) throw error;
  }
  return log.violations.length === 0;
}

async function snp(changes: SnpChanges): Promise<boolean> {
  const log = new StepLog();
  const trust = { roots: await rootsFor('Genoa'), hardware: true, simulated: [] };
  const evidence = await generatedSnp(changes);
  return completes(log, () => verifySnpEvidence(log, evidence, trust, now, webCrypto));
}

function tdx(changes: TdxChanges): Promise<boolean> {
  const log = new StepLog();
  const trust = { roots: tdxRoots, hardware: true };
  return completes(log, async () =>
    judgeTdx(
      log,
      await verifyTdxEvidence(log, tdxEvidence(changes), trust, tdxNow, webCrypto),
      soundTdxReference,
    ),
  );
}

/** Each says whether the attacker got through. */
export const attacks: Readonly<Record<string, () => Promise<boolean>>> = {
  'a report signed by another key': async () => snp({ reportSigner: ocspKeys.stranger }),
  'an intermediate that AMD revoked': () => snp({ crl: { revokedSerials: [0x30001] } }),
  'a revocation list of last year': () => snp({ crl: { thisUpdate: day(-400), nextUpdate: day(-30) } }),
  'an empty revocation list by the attacker': async () =>
    snp({ crl: { signer: (await testPlatform()).keys.ask } }),
  'a report of another chip': () => snp({ chipId: new Uint8Array(64).fill(1) }),
  'a key of other firmware': () =>
    snp({ leafTcb: { fmc: 0, bootLoader: 9, tee: 1, snp: 0x1b, microcode: 0xdb } }),
  'a leaf by another intermediate': async () => snp({ leafSigner: (await testPlatform()).keys.ark }),
  'a guest under debug': () => tdx({ report: { tdAttributes: (1n << 28n) | 1n } }),
  'an attestation key of the attacker’s own': () =>
    tdx({ attestationKey: keys.stranger, quoteSigner: keys.stranger }),
  'a revoked PCK': () => tdx({ pckCrl: { revokedSerials: [0x300] } }),
  'TCB info of another family': () => tdx({ tcbInfo: { fmspc: '00'.repeat(6) } }),
  'a GPU’s answer to another question': async () => {
    const log = new StepLog();
    const trust = { roots: [], hardware: false, simulated: [await gpuRoot()] };
    const facts = { nonce: new Uint8Array(32).fill(6), trust, now, crypto: webCrypto };
    return completes(log, () => verifyNvidiaGpu(log, makeGpu(), facts));
  },
  'an OCSP answer by a stranger': async () => {
    const question = { certificate: device, issuer, nonce: NONCE, now: ocspNow, crypto: webCrypto };
    const outcome = await verifyOcspResponse(makeAnswer({ signer: ocspKeys.stranger }), question);
    return outcome.ok && toHex(NONCE) !== '';
  },
};
