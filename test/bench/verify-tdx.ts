// How long TDX evidence takes to verify, beside the ECDSA verifications in it alone, with keys that were imported before.

import { judgeTdx } from '../../shared/verifier/judge-tdx.ts';
import { StepLog } from '../../shared/verifier/step.ts';
import { webCrypto } from '../../shared/verifier/verifier-crypto.ts';
import { verifyTdxEvidence } from '../../shared/verifier/verify-tdx-evidence.ts';
import { soundTdxReference, tdxEvidence, tdxNow, tdxRoots } from '../shared/verifier/tdx-platform.ts';
import { type FigureGroup, figure, measure, repeatAsync } from './measure.ts';

// Root, PCK CA, PCK, two revocation lists, the signer of collateral, TCB info, QE identity, QE report, quote.
const VERIFICATIONS = 10;
const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** Figures of one verification: chain, lists, collateral, quote and policy. */
export const verifyTdxFigures: FigureGroup = async function* () {
  const evidence = tdxEvidence();
  const trust = { roots: tdxRoots, hardware: true };
  const { privateKey, publicKey } = await crypto.subtle.generateKey(P256, false, ['sign', 'verify']);
  const message = new Uint8Array(1000);
  const signature = await crypto.subtle.sign(P256, privateKey, message);
  const times = await measure({
    ours: repeatAsync(async () => {
      const log = new StepLog();
      judgeTdx(log, await verifyTdxEvidence(log, evidence, trust, tdxNow, webCrypto), soundTdxReference);
    }),
    floor: repeatAsync(async () => {
      for (let i = 0; i < VERIFICATIONS; i++) await crypto.subtle.verify(P256, publicKey, signature, message);
    }),
  });
  yield figure(`verify TDX evidence, ${VERIFICATIONS} signatures`, times.ours, 'µs', times.floor);
};
