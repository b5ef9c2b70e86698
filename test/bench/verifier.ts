// How long evidence takes to verify, beside the bare signature verifications that no verifier can do without, with keys imported before.

import { simulatedReferenceValue } from '../../backend/tee/simulated/reference-value.ts';
import { toHex } from '../../shared/bytes/hex.ts';
import { judgeSnp } from '../../shared/verifier/judge-snp.ts';
import { judgeTdx } from '../../shared/verifier/judge-tdx.ts';
import { PINNED_ROOTS } from '../../shared/verifier/roots/amd.ts';
import { StepLog } from '../../shared/verifier/step.ts';
import { webCrypto } from '../../shared/verifier/verifier-crypto.ts';
import { verifyBundle } from '../../shared/verifier/verify-bundle.ts';
import { verifyNvidiaGpu } from '../../shared/verifier/verify-nvidia-gpu.ts';
import { verifySnpEvidence } from '../../shared/verifier/verify-snp-evidence.ts';
import { verifyTdxEvidence } from '../../shared/verifier/verify-tdx-evidence.ts';
import {
  measurement,
  now,
  simulatedNode,
  snpEvidenceOf,
  testPlatform,
} from '../backend/tee/simulated-node.ts';
import { gpuRoot, makeGpu } from '../shared/verifier/nvidia-fixture.ts';
import { soundTdxReference, tdxEvidence, tdxNow, tdxRoots } from '../shared/verifier/tdx-platform.ts';
import { type FigureGroup, figure, measure, repeatAsync } from './measure.ts';

const MESSAGE = new Uint8Array(1000);
const NODES = 32;
/** Short turns and many, because the fastest counts and other work comes in bursts. */
const TURNS = { rounds: 100, milliseconds: 10 };

type Bare = () => Promise<boolean>;

async function bareEcdsa(namedCurve: 'P-256' | 'P-384', hash: string): Promise<Bare> {
  const algorithm = { name: 'ECDSA', namedCurve, hash } as const;
  const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
  const signature = await crypto.subtle.sign(algorithm, privateKey, MESSAGE);
  return () => crypto.subtle.verify(algorithm, publicKey, signature, MESSAGE);
}

async function bareRsa(): Promise<Bare> {
  const algorithm = {
    name: 'RSA-PSS',
    hash: 'SHA-384',
    modulusLength: 4096,
    publicExponent: Uint8Array.of(1, 0, 1),
    saltLength: 48,
  };
  const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
  const signature = await crypto.subtle.sign(algorithm, privateKey, MESSAGE);
  return () => crypto.subtle.verify(algorithm, publicKey, signature, MESSAGE);
}

async function inTurn(count: number, verify: Bare): Promise<void> {
  for (let i = 0; i < count; i++) await verify();
}

/** Figures of SNP, TDX and GPU evidence with policy, and of 32 nodes' bundles one after the other. */
export const verifierFigures: FigureGroup = async function* () {
  const [p256, p384, rsa] = [
    await bareEcdsa('P-256', 'SHA-256'),
    await bareEcdsa('P-384', 'SHA-384'),
    await bareRsa(),
  ];
  const snpFloor = async (): Promise<void> => {
    await p384();
    await inTurn(2, rsa);
  };

  const node = await simulatedNode();
  const snp = snpEvidenceOf(node.parts);
  const snpTrust = {
    roots: PINNED_ROOTS,
    hardware: false,
    simulated: [(await testPlatform()).rootSpkiSha256],
  };
  const wanted = simulatedReferenceValue([toHex(measurement)]);
  const ofSnp = await measure(
    {
      ours: repeatAsync(async () => {
        const log = new StepLog();
        judgeSnp(log, await verifySnpEvidence(log, snp, snpTrust, now, webCrypto), wanted, false);
      }),
      floor: repeatAsync(snpFloor),
    },
    TURNS,
  );
  yield figure('verify SNP evidence; P-384, 2 RSA-4096', ofSnp.ours, 'µs', ofSnp.floor);

  const tdx = tdxEvidence();
  const ofTdx = await measure(
    {
      ours: repeatAsync(async () => {
        const log = new StepLog();
        const trust = { roots: tdxRoots, hardware: true };
        judgeTdx(log, await verifyTdxEvidence(log, tdx, trust, tdxNow, webCrypto), soundTdxReference);
      }),
      // Root, PCK CA, PCK, two revocation lists, the signer of collateral, TCB info, QE identity, QE report, quote.
      floor: repeatAsync(() => inTurn(10, p256)),
    },
    TURNS,
  );
  yield figure('verify TDX evidence; 10 P-256', ofTdx.ours, 'µs', ofTdx.floor);

  const gpu = makeGpu();
  const facts = {
    nonce: new Uint8Array(32).fill(5),
    trust: { roots: [], hardware: false, simulated: [await gpuRoot()] },
    now,
    crypto: webCrypto,
  };
  const ofGpu = await measure(
    {
      ours: repeatAsync(() => verifyNvidiaGpu(new StepLog(), gpu, facts)),
      // Five certificates and the report.
      floor: repeatAsync(() => inTurn(6, p384)),
    },
    TURNS,
  );
  yield figure('verify GPU evidence; 6 P-384', ofGpu.ours, 'µs', ofGpu.floor);

  const nodes = await Promise.all(Array.from({ length: NODES }, () => simulatedNode()));
  const ofNodes = await measure(
    {
      ours: repeatAsync(async () => {
        for (const { bundle, policy } of nodes) {
          const verification = await verifyBundle(bundle, policy, { now });
          if (!verification.ok) throw new Error(verification.failure.code);
        }
      }),
      floor: repeatAsync(async () => {
        for (let i = 0; i < NODES; i++) await snpFloor();
      }),
    },
    { rounds: 20, milliseconds: 10 },
  );
  yield figure(`verify ${NODES} nodes’ bundles`, ofNodes.ours / 1000, 'ms', ofNodes.floor / 1000);
};
