// What bits are turned in where captured evidence is present: one genuine specimen of each form.

import type { Bytes } from '../../../shared/bytes/concat.ts';
import { equalBytes } from '../../../shared/bytes/equal.ts';
import { fromHex, toHex } from '../../../shared/bytes/hex.ts';
import { parseCrl } from '../../../shared/evidence/crl.ts';
import { parseSnpReport } from '../../../shared/evidence/snp-report.ts';
import type { TdxEvidence } from '../../../shared/evidence/tdx-evidence.ts';
import { parseTdxQuote } from '../../../shared/evidence/tdx-quote.ts';
import { judgeTdx } from '../../../shared/verifier/judge-tdx.ts';
import { PINNED_ROOTS } from '../../../shared/verifier/roots/amd.ts';
import { StepLog } from '../../../shared/verifier/step.ts';
import { verifyNvidiaGpu } from '../../../shared/verifier/verify-nvidia-gpu.ts';
import { verifySnpChain } from '../../../shared/verifier/verify-snp-chain.ts';
import { verifySnpReport } from '../../../shared/verifier/verify-snp-report.ts';
import { verifySnpRevocation } from '../../../shared/verifier/verify-snp-revocation.ts';
import { verifyTdxEvidence } from '../../../shared/verifier/verify-tdx-evidence.ts';
import { readChain } from '../../vectors/judge-nvidia-vector.ts';
import { findIssuers } from '../../vectors/judge-snp-vector.ts';
import { vectorTdxPolicy } from '../../vectors/judge-tdx-vector.ts';
import { readTdxCapture } from '../../vectors/tdx-capture.ts';
import { anchorsOf } from '../../vectors/trust-anchors.ts';
import {
  type ExpectedOutcome,
  openVectorFolder,
  type Vector,
  vectorFolderPath,
} from '../../vectors/vector.ts';
import { type FlipTarget, noteCodes } from './flip-search.ts';
import { tdxParts } from './generated-targets.ts';
import { memoisingCrypto } from './memoising-crypto.ts';

const trust = { roots: PINNED_ROOTS, hardware: true, simulated: [] };
const ANY_TIME = '2026-11-01T00:00:00Z';

/** Targets of the folder of vectors; none where there is no folder. */
export function capturedTargets(): readonly FlipTarget[] {
  const path = vectorFolderPath();
  if (path === undefined) return [];
  const { vectors } = openVectorFolder(path);
  const genuine = vectors.filter(({ expected }) => (expected.crypto ?? 'valid') === 'valid');
  const ofKind = (kind: string) => genuine.filter((vector) => vector.kind === kind);
  return [
    ...firstOfEach(
      ofKind('sev-snp-report').filter(({ expected, file }) => expected.at && (file('vcek') ?? file('vlek'))),
      (vector) => `${parseSnpReport(vector.file('report') as Bytes).version} ${findLeaf(vector).kind}`,
    ).flatMap(snpTargets),
    ...ofKind('amd-crl').flatMap(crlTargets),
    ...firstOfEach(
      ofKind('tdx-quote').filter((vector) => vector.file('collateral') && timeOf(vector)),
      (vector) => `${parseTdxQuote(vector.file('quote') as Bytes).version}`,
    ).flatMap(tdxTargets),
    ...ofKind('nvidia-gpu-report').slice(0, 1).flatMap(gpuTargets),
  ];
}

function firstOfEach(vectors: readonly Vector[], formOf: (vector: Vector) => string): readonly Vector[] {
  const found = new Map<string, Vector>();
  for (const vector of vectors) if (!found.has(formOf(vector))) found.set(formOf(vector), vector);
  return [...found.values()];
}

function findLeaf(vector: Vector): { readonly kind: 'vcek' | 'vlek'; readonly certificate: Bytes } {
  const vlek = vector.file('vlek');
  return vlek
    ? { kind: 'vlek', certificate: vlek }
    : { kind: 'vcek', certificate: vector.file('vcek') as Bytes };
}

function snpTargets(vector: Vector): readonly FlipTarget[] {
  const report = vector.file('report') as Bytes;
  const leaf = findLeaf(vector);
  const issuers = findIssuers(leaf.certificate, anchorsOf(vector.folder));
  if (!issuers) return [];
  const at = new Date(vector.expected.at ?? 0);
  const crypto = memoisingCrypto();
  const sound = { report, leaf: leaf.certificate, ...issuers };
  const target = (part: keyof typeof sound): FlipTarget => ({
    name: `captured SNP ${parseSnpReport(report).version}, ${leaf.kind}: ${part}`,
    octets: sound[part],
    judge: (flipped, found) => {
      const log = new StepLog();
      const parts = { ...sound, [part]: flipped };
      return noteCodes(log, found, async () => {
        const evidence = { ...parts, leaf: { kind: leaf.kind, certificate: parts.leaf } };
        const chain = await verifySnpChain(log, evidence, trust, at, crypto);
        await verifySnpReport(log, parts.report, chain, crypto);
      });
    },
  });
  return [target('report'), target('leaf'), target('ask'), target('ark')];
}

function crlTargets(vector: Vector): readonly FlipTarget[] {
  const octets = vector.file('crl') as Bytes;
  const { issuer } = parseCrl(octets);
  const anchors = anchorsOf(vector.folder).map(({ certificate }) => certificate);
  const ark = anchors.find(({ subject }) => equalBytes(subject, issuer));
  const ask = anchors.find((other) => other !== ark && equalBytes(other.issuer, issuer));
  if (!ark || !ask) return [];
  const crypto = memoisingCrypto();
  return [
    {
      name: `captured revocation list of ${ark.subjectCommonName}`,
      octets,
      judge: (flipped, found) => {
        const log = new StepLog();
        const at = new Date(vector.expected.at ?? 0);
        return noteCodes(
          log,
          found,
          async () => void (await verifySnpRevocation(log, flipped, { ask, ark }, at, crypto)),
        );
      },
    },
  ];
}

function tdxTargets(vector: Vector): readonly FlipTarget[] {
  const evidence = readTdxCapture(vector.file('quote'), vector.file('collateral'));
  const { version, report } = parseTdxQuote(evidence.quote);
  const wanted = vectorTdxPolicy(toHex(report.mrTd));
  const at = new Date(timeOf(vector) ?? 0);
  const crypto = memoisingCrypto();
  const target = (name: string, octets: Bytes, put: (octets: Bytes) => TdxEvidence): FlipTarget => ({
    name: `captured TDX ${version}: ${name}`,
    octets,
    judge: (flipped, found) => {
      const log = new StepLog();
      return noteCodes(log, found, async () =>
        judgeTdx(log, await verifyTdxEvidence(log, put(flipped), trust, at, crypto), wanted),
      );
    },
  });
  return [
    target('quote', evidence.quote, (quote) => ({ ...evidence, quote })),
    ...tdxParts(evidence, target),
  ];
}

/** A time at which the quote and all of its collateral hold. */
function timeOf({ expected }: Vector): string | undefined {
  const times = (expected.tcb as readonly ExpectedOutcome[] | undefined) ?? [expected];
  return times.find(({ crypto }) => (crypto ?? 'valid') === 'valid')?.at ?? expected.at;
}

function gpuTargets(vector: Vector): readonly FlipTarget[] {
  const report = vector.file('report') as Bytes;
  const chain = readChain(vector, 'certs');
  const nonce = fromHex(String(vector.expected.expectedNonce ?? vector.facts?.requestNonce));
  const facts = {
    nonce,
    trust: { roots: PINNED_ROOTS.nvidia ?? [], hardware: true, simulated: [] },
    now: new Date(vector.expected.at ?? ANY_TIME),
    crypto: memoisingCrypto(),
  };
  const target = (
    name: string,
    octets: Bytes,
    put: (octets: Bytes) => Parameters<typeof verifyNvidiaGpu>[1],
  ): FlipTarget => ({
    name: `captured GPU: ${name}`,
    octets,
    judge: (flipped, found) => {
      const log = new StepLog();
      return noteCodes(log, found, async () => void (await verifyNvidiaGpu(log, put(flipped), facts)));
    },
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
