// What bits are turned in without any captured evidence: everything that the simulator and the tests' own vendors sign.

import { constants, generateKeyPairSync, sign } from 'node:crypto';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { sha256 } from '../../../shared/bytes/digest.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { parseRuntimeData } from '../../../shared/evidence/azure-hcl-report.ts';
import { encodeBundle, type SnpEvidence } from '../../../shared/evidence/bundle.ts';
import { encodeStatement, parseStatement } from '../../../shared/evidence/node-statement.ts';
import type { TdxEvidence } from '../../../shared/evidence/tdx-evidence.ts';
import { judgeSnp } from '../../../shared/verifier/judge-snp.ts';
import { judgeTdx } from '../../../shared/verifier/judge-tdx.ts';
import { PINNED_ROOTS } from '../../../shared/verifier/roots/amd.ts';
import { StepLog } from '../../../shared/verifier/step.ts';
import { verifyAzureVtpm } from '../../../shared/verifier/verify-azure-vtpm.ts';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { verifyNras } from '../../../shared/verifier/verify-nras.ts';
import { verifyNvidiaGpu } from '../../../shared/verifier/verify-nvidia-gpu.ts';
import { verifySnpEvidence } from '../../../shared/verifier/verify-snp-evidence.ts';
import { verifyTdxEvidence } from '../../../shared/verifier/verify-tdx-evidence.ts';
import {
  measurement,
  now,
  simulatedNode,
  snpEvidenceOf,
  testPlatform,
} from '../../backend/tee/simulated-node.ts';
import { writeQuote } from '../../shared/verifier/azure-fixture.ts';
import { makeNras, nrasKeys, nrasNonce, nrasTime } from '../../shared/verifier/nras-fixture.ts';
import { gpuRoot, makeGpu } from '../../shared/verifier/nvidia-fixture.ts';
import { soundTdxReference, tdxEvidence, tdxNow, tdxRoots } from '../../shared/verifier/tdx-platform.ts';
import { type FlipTarget, noteCodes } from './flip-search.ts';
import { memoisingCrypto } from './memoising-crypto.ts';

/** All of them. */
export async function generatedTargets(): Promise<readonly FlipTarget[]> {
  return [
    ...(await snpTargets()),
    ...tdxTargets(4),
    ...tdxTargets(5),
    ...(await gpuTargets()),
    await nrasTarget(),
    ...(await vtpmTargets()),
    ...(await nodeTargets()),
  ];
}

async function snpTargets(): Promise<readonly FlipTarget[]> {
  const evidence = snpEvidenceOf((await simulatedNode()).parts);
  const trust = { roots: PINNED_ROOTS, hardware: false, simulated: [(await testPlatform()).rootSpkiSha256] };
  const wanted = simulatedReferenceValue([toHex(measurement)]);
  const crypto = memoisingCrypto();
  const target = (name: string, octets: Bytes, put: (octets: Bytes) => SnpEvidence): FlipTarget => ({
    name: `SNP: ${name}`,
    octets,
    judge: (flipped, found) => {
      const log = new StepLog();
      return noteCodes(log, found, async () =>
        judgeSnp(log, await verifySnpEvidence(log, put(flipped), trust, now, crypto), wanted, false),
      );
    },
  });
  const { leaf } = evidence;
  return [
    target('report', evidence.report, (report) => ({ ...evidence, report })),
    target('VCEK', leaf.certificate, (certificate) => ({ ...evidence, leaf: { ...leaf, certificate } })),
    target('ASK', evidence.ask, (ask) => ({ ...evidence, ask })),
    target('ARK', evidence.ark, (ark) => ({ ...evidence, ark })),
    target('revocation list', evidence.crl, (crl) => ({ ...evidence, crl })),
  ];
}

function tdxTargets(version: 4 | 5): readonly FlipTarget[] {
  const evidence = tdxEvidence({ version });
  const trust = { roots: tdxRoots, hardware: true };
  const crypto = memoisingCrypto();
  const target = (name: string, octets: Bytes, put: (octets: Bytes) => TdxEvidence): FlipTarget => ({
    name: `TDX ${version}: ${name}`,
    octets,
    judge: (flipped, found) => {
      const log = new StepLog();
      return noteCodes(log, found, async () =>
        judgeTdx(log, await verifyTdxEvidence(log, put(flipped), trust, tdxNow, crypto), soundTdxReference),
      );
    },
  });
  return [
    target('quote', evidence.quote, (quote) => ({ ...evidence, quote })),
    ...tdxParts(evidence, target),
  ];
}

/** Everything beside the quote. */
export function tdxParts(
  evidence: TdxEvidence,
  target: (name: string, octets: Bytes, put: (octets: Bytes) => TdxEvidence) => FlipTarget,
): readonly FlipTarget[] {
  const { tcbInfo, qeIdentity } = evidence;
  return [
    target('TCB info', tcbInfo.document, (document) => ({ ...evidence, tcbInfo: { ...tcbInfo, document } })),
    target('signature of TCB info', tcbInfo.signature, (signature) => ({
      ...evidence,
      tcbInfo: { ...tcbInfo, signature },
    })),
    target('signer of TCB info', tcbInfo.signer, (signer) => ({
      ...evidence,
      tcbInfo: { ...tcbInfo, signer },
    })),
    target('QE identity', qeIdentity.document, (document) => ({
      ...evidence,
      qeIdentity: { ...qeIdentity, document },
    })),
    target('signature of QE identity', qeIdentity.signature, (signature) => ({
      ...evidence,
      qeIdentity: { ...qeIdentity, signature },
    })),
    target('signer of QE identity', qeIdentity.signer, (signer) => ({
      ...evidence,
      qeIdentity: { ...qeIdentity, signer },
    })),
    target('PCK revocation list', evidence.pckCrl, (pckCrl) => ({ ...evidence, pckCrl })),
    target('root revocation list', evidence.rootCrl, (rootCrl) => ({ ...evidence, rootCrl })),
  ];
}

async function gpuTargets(): Promise<readonly FlipTarget[]> {
  const { report, chain } = makeGpu();
  const facts = {
    nonce: new Uint8Array(32).fill(5),
    trust: { roots: [], hardware: false, simulated: [await gpuRoot()] },
    now,
    crypto: memoisingCrypto(),
  };
  const target = (
    name: string,
    octets: Bytes,
    put: (octets: Bytes) => Parameters<typeof verifyNvidiaGpu>[1],
  ) => ({
    name: `GPU: ${name}`,
    octets,
    judge: ((flipped, found) => {
      const log = new StepLog();
      return noteCodes(log, found, async () => void (await verifyNvidiaGpu(log, put(flipped), facts)));
    }) satisfies FlipTarget['judge'],
  });
  return [
    target('report', report, (flipped) => ({ report: flipped, chain })),
    ...chain.map((certificate, index) =>
      target(`certificate ${index}`, certificate, (flipped) => ({
        report,
        chain: chain.with(index, flipped),
      })),
    ),
  ];
}

async function nrasTarget(): Promise<FlipTarget> {
  const keys = nrasKeys();
  const crypto = memoisingCrypto();
  return {
    name: 'NVIDIA’s verdict',
    octets: await makeNras(),
    judge: (answer, found) => {
      const log = new StepLog();
      const facts = { nonce: nrasNonce, keys, now: nrasTime, crypto };
      return noteCodes(log, found, async () => void (await verifyNras(log, answer, facts)));
    },
  };
}

async function vtpmTargets(): Promise<readonly FlipTarget[]> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { n, e } = privateKey.export({ format: 'jwk' });
  const runtime = toUtf8(
    JSON.stringify({
      keys: [{ kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e, n }],
      'vm-configuration': { 'secure-boot': true, 'console-enabled': false },
      'user-data': '00'.repeat(64),
    }),
  );
  const registers = concat(...[4, 7, 11].map((value) => new Uint8Array(32).fill(value)));
  const message = writeQuote(new Uint8Array(32).fill(9), await sha256(registers));
  const padding = constants.RSA_PKCS1_PADDING;
  const signature = new Uint8Array(sign('sha256', message, { key: privateKey, padding }));
  const sound = { runtime, message, signature, registers };
  const reportData = concat(await sha256(runtime), new Uint8Array(32));
  const crypto = memoisingCrypto();
  const target = (name: string, part: keyof typeof sound): FlipTarget => ({
    name: `Azure’s vTPM: ${name}`,
    octets: sound[part],
    judge: (flipped, found) => {
      const log = new StepLog();
      const parts = { ...sound, [part]: flipped };
      const pcrs = [0, 32, 64].map((at) => parts.registers.subarray(at, at + 32));
      return noteCodes(log, found, async () => {
        const quote = { message: parts.message, signature: parts.signature, pcrs };
        await verifyAzureVtpm(log, parseRuntimeData(parts.runtime), reportData, quote, crypto);
      });
    },
  });
  return [
    target('runtime data', 'runtime'),
    target('quote', 'message'),
    target('signature', 'signature'),
    target('registers', 'registers'),
  ];
}

async function nodeTargets(): Promise<readonly FlipTarget[]> {
  const { parts, policy } = await simulatedNode();
  const { statement } = parts.node;
  const parsed = parseStatement(statement);
  const crypto = memoisingCrypto();
  const target = (name: string, octets: Bytes, put: (octets: Bytes) => Bytes): FlipTarget => ({
    name,
    octets,
    judge: async (flipped, found) => {
      const bundle = encodeBundle({ ...parts, node: { ...parts.node, statement: put(flipped) } });
      const verification = await verifyBundle(bundle, policy, { now, crypto });
      found.codes = verification.ok ? [] : verification.failure.violations.map(({ code }) => code);
    },
  });
  return [
    target('statement', statement, (flipped) => flipped),
    target('core', parsed.core, (core) => encodeStatement({ ...parsed, core })),
    {
      name: 'manifest',
      octets: parts.manifest,
      judge: async (manifest, found) => {
        const verification = await verifyBundle(encodeBundle({ ...parts, manifest }), policy, {
          now,
          crypto,
        });
        found.codes = verification.ok ? [] : verification.failure.violations.map(({ code }) => code);
      },
    },
  ];
}
