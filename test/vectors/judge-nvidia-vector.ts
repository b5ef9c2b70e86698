// Judges captured reports of NVIDIA's GPUs and switches, alone and as the GPU's part of a bundle.

import type { Bytes } from '../../shared/bytes/concat.ts';
import { fromHex, toHex } from '../../shared/bytes/hex.ts';
import { fromUtf8, toUtf8 } from '../../shared/bytes/utf8.ts';
import { parseNvidiaChain } from '../../shared/evidence/nvidia-chain.ts';
import { parseNvidiaReport } from '../../shared/evidence/nvidia-report.ts';
import { readPemCertificates } from '../../shared/evidence/pem.ts';
import { parseSpdmMeasurements } from '../../shared/evidence/spdm-measurements.ts';
import type { GoldenBlock, GpuReferenceValue } from '../../shared/manifest/gpu-reference-value.ts';
import { compareGolden, judgeGpus } from '../../shared/verifier/judge-gpus.ts';
import { nobleCrypto } from '../../shared/verifier/noble-crypto.ts';
import { PINNED_ROOTS } from '../../shared/verifier/roots/amd.ts';
import { StepLog, StoppedVerification } from '../../shared/verifier/step.ts';
import { type VerifierCrypto, webCrypto } from '../../shared/verifier/verifier-crypto.ts';
import { verifyNvidiaChain } from '../../shared/verifier/verify-nvidia-chain.ts';
import { type GenuineGpu, verifyNvidiaGpu } from '../../shared/verifier/verify-nvidia-gpu.ts';
import { compareOutcome, type Outcome } from './judge-snp-vector.ts';
import type { Check, Judge, Vector } from './vector.ts';

const trust = { roots: PINNED_ROOTS.nvidia ?? [], hardware: true, simulated: [] };
const PROVIDERS: readonly (readonly [string, VerifierCrypto])[] = [
  ['WebCrypto', webCrypto],
  ['noble', nobleCrypto],
];
// Certificates of devices end in the year 9999: any later time does.
const ANY_TIME = '2026-11-01T00:00:00Z';
// The policy that the folder's manifest names asks for these and no more: no floors, no golden values, no OCSP.
const REASON: Readonly<Record<string, string>> = {
  policy_gpu_architecture: 'architecture',
  policy_gpu_protected_pcie: 'ppcie-without-nvswitch-evidence',
};

/** Expects what the policy of the vectors does; what else a manifest has to say is lenient. */
export const vectorGpuPolicy: GpuReferenceValue = {
  vendor: 'nvidia',
  architecture: 'hopper',
  count: 1,
  evidence: 'both',
  minimum_driver: '0.0',
  minimum_vbios: '00.00.00.00.00',
  golden_drivers: [],
  golden_vbioses: [],
  device_ids: 'any',
  revocation: 'unchecked',
};

/** The certificates of a PEM file as DER. */
export function readChain(vector: Vector, role: string): readonly Bytes[] {
  return readPemCertificates(vector.file(role) ?? new Uint8Array(), 1, 8, 'evidence_certificate_malformed');
}

/** Judges a GPU's report with both providers. */
export const judgeNvidiaVector: Judge = async (vector) => {
  const { expected, facts } = vector;
  const nonce = fromHex(String(expected.expectedNonce ?? facts?.requestNonce));
  const checks: Check[] = [];
  for (const [provider, crypto] of PROVIDERS) {
    const at = expected.at ?? ANY_TIME;
    const outcome = await verify(vector, 'report', 'certs', nonce, new Date(at), crypto);
    checks.push(...compareOutcome(`${provider}, ${at}`, expected, outcome));
  }
  const other = await verify(vector, 'report', 'certs', new Uint8Array(32), new Date(ANY_TIME), webCrypto);
  checks.push({ what: 'another nonce', expected: 'evidence_gpu_nonce', actual: other.code ?? 'accepted' });
  return [...checks, ...compareReferenceFiles(vector)];
};

interface ExpectedRim {
  readonly activeEntries: number;
  readonly mismatches: readonly number[];
}

// The values alone, in every runtime: signatures of reference files are for whoever writes a manifest, and judge-rim-vector.ts judges them.
function compareReferenceFiles(vector: Vector): readonly Check[] {
  const { measurements } = parseNvidiaReport(vector.file('report') ?? new Uint8Array());
  return Object.entries((vector.expected.rim ?? {}) as Record<string, ExpectedRim>).flatMap(
    ([name, wanted]) => {
      const file = vector.files.find(({ path }) => path.endsWith(`/${name}`));
      const blocks = file ? readActiveBlocks(fromUtf8(vector.folder.read(file.path))) : [];
      const differing = compareGolden(measurements, { blocks }, { blocks: [] }).map((block) => block - 1);
      return [
        {
          what: `active entries of ${name}`,
          expected: String(wanted.activeEntries),
          actual: String(blocks.length),
        },
        {
          what: `mismatches with ${name}`,
          expected: wanted.mismatches.join(' '),
          actual: differing.join(' '),
        },
      ];
    },
  );
}

function readActiveBlocks(xml: string): readonly GoldenBlock[] {
  const resources = [...xml.matchAll(/<[A-Za-z0-9]+:Resource ([^>]*)\/>/g)].map(
    ([, attributes]) => attributes ?? '',
  );
  return resources
    .filter((attributes) => /\bactive="True"/.test(attributes))
    .map((attributes) => ({
      block: Number(/\bindex="(\d+)"/.exec(attributes)?.[1]) + 1,
      digests: [...attributes.matchAll(/:Hash\d+="([0-9A-Fa-f]{96})"/g)].map(([, hash]) =>
        String(hash).toLowerCase(),
      ),
    }));
}

/** Judges a switch's report: the same framing and chain, another chip. */
export const judgeNvswitchVector: Judge = async (vector) => {
  const spdm = parseSpdmMeasurements(vector.file('report') ?? new Uint8Array());
  const chain = parseNvidiaChain(readChain(vector, 'certs'));
  const checks: Check[] = [];
  for (const [provider, crypto] of PROVIDERS) {
    await verifyNvidiaChain(new StepLog(), chain, trust, new Date(ANY_TIME), crypto);
    const key = chain.certificates[0].publicKey;
    const holds =
      key.kind === 'p384' && (await crypto.verifyEcdsaP384(key.point, spdm.signature, spdm.signed));
    checks.push({
      what: `crypto, ${provider}`,
      expected: vector.expected.crypto ?? 'valid',
      actual: holds ? 'valid' : 'invalid',
    });
  }
  const asGpu = await verify(vector, 'report', 'certs', spdm.requestNonce, new Date(ANY_TIME), webCrypto);
  checks.push({
    what: 'passed as a GPU',
    expected: 'evidence_gpu_report_malformed',
    actual: asGpu.code ?? 'accepted',
  });
  return checks;
};

/** Judges the GPU's part of a bundle: report, chain, nonce, and what the CPU's report names it by. */
export const judgeBundleGpu: Judge = async (vector) => {
  if (!vector.file('gpu-report')) return [];
  const wanted = (vector.expected.checks ?? {}) as Record<string, unknown>;
  const clientNonce = fromHex(String(vector.facts?.clientNonce));
  const checks: Check[] = [];
  for (const [provider, crypto] of PROVIDERS) {
    const at = vector.expected.at ?? ANY_TIME;
    const outcome = await verify(vector, 'gpu-report', 'gpu-certs', clientNonce, new Date(at), crypto);
    for (const name of ['gpuSignature', 'gpuChain', 'gpuRootIsPinned', 'gpuNonceEqualsClientNonce'])
      if (wanted[name] !== undefined)
        checks.push({
          what: `${name}, ${provider}, ${at}`,
          expected: String(wanted[name]),
          actual: String(outcome.crypto === 'valid'),
        });
  }
  const document = vector.file('attestation-document');
  if (wanted.gpuHashOverRawJson !== undefined && document)
    checks.push({
      what: 'gpuHashOverRawJson',
      expected: String(wanted.gpuHashOverRawJson),
      actual: String(await isHashOfRawMember(fromUtf8(document))),
    });
  return checks;
};

async function isHashOfRawMember(document: string): Promise<boolean> {
  const { gpu, report_data } = JSON.parse(document) as {
    readonly gpu: unknown;
    readonly report_data: { readonly gpu_evidence_hash: string };
  };
  // The document was written without white space, so that writing the member again gives its text.
  const text = JSON.stringify(gpu);
  const digest = await webCrypto.digest('SHA-256', toUtf8(text));
  return document.includes(`"gpu":${text}`) && toHex(digest) === report_data.gpu_evidence_hash;
}

async function verify(
  vector: Vector,
  reportRole: string,
  chainRole: string,
  nonce: Bytes,
  now: Date,
  crypto: VerifierCrypto,
): Promise<Outcome & { readonly code: string | undefined }> {
  const log = new StepLog();
  let gpu: GenuineGpu;
  try {
    const evidence = {
      report: vector.file(reportRole) ?? new Uint8Array(),
      chain: readChain(vector, chainRole),
    };
    gpu = await verifyNvidiaGpu(log, evidence, { nonce, trust, now, crypto });
  } catch (error) {
    if (!(error instanceof StoppedVerification)) throw error;
    return { crypto: 'invalid', defaultPolicy: 'reject', reasons: [], code: log.violations[0]?.code };
  }
  judgeGpus(
    log,
    {
      gpus: [gpu],
      verdict: undefined,
      named: ['nvidia-gpu'],
      assurance: gpu.assurance,
      notAfter: gpu.notAfter,
    },
    vectorGpuPolicy,
  );
  const reasons = log.violations.flatMap(({ code }) => REASON[code] ?? []);
  return {
    crypto: 'valid',
    defaultPolicy: reasons.length === 0 ? 'accept' : 'reject',
    reasons,
    code: undefined,
  };
}
