// Judges captured reference files of NVIDIA: XML signature, chain, and their values against a report. In Node only.

import { makeGoldenValues } from '../../deploy/golden-digests/golden-values.ts';
import { NVIDIA_RIM_ROOTS } from '../../deploy/golden-digests/nvidia-rim-root.ts';
import { readRim } from '../../deploy/golden-digests/read-rim.ts';
import { RimError } from '../../deploy/golden-digests/rim-error.ts';
import { verifyRimSignature } from '../../deploy/golden-digests/verify-rim-signature.ts';
import { parseNvidiaReport } from '../../shared/evidence/nvidia-report.ts';
import { compareGolden } from '../../shared/verifier/judge-gpus.ts';
import type { Check, Judge, Vector } from './vector.ts';

// Where a vector names no time: within the two years of the signers of the captured files.
const SOME_TIME = '2025-06-01T00:00:00Z';
// After every captured signer's end.
const LATER = '2031-01-01T00:00:00Z';

interface ExpectedRim {
  readonly xmlSignature?: string;
  readonly activeEntries: number;
  readonly mismatches: readonly number[];
  readonly at?: string;
}

/** Judges files that stand alone: each has what is expected of all. */
export const judgeRimVector: Judge = async ({ files, folder, expected }) => {
  const checks: Check[] = [];
  for (const { role, path } of files)
    checks.push({
      what: `XML signature of ${role}`,
      expected: expected.crypto ?? 'valid',
      actual: (await codeOf(folder.read(path), expected.at ?? SOME_TIME)) === undefined ? 'valid' : 'invalid',
    });
  return checks;
};

/** Judges the files that come with a GPU's report. */
export const judgeReportRims: Judge = async (vector) => {
  const checks: Check[] = [];
  for (const [name, wanted] of Object.entries((vector.expected.rim ?? {}) as Record<string, ExpectedRim>))
    checks.push(...(await judgeOne(vector, name, wanted)));
  return checks;
};

async function judgeOne(vector: Vector, name: string, wanted: ExpectedRim): Promise<readonly Check[]> {
  const file = vector.files.find(({ path }) => path.endsWith(`/${name}`));
  if (!file) return [{ what: name, expected: 'present', actual: 'absent' }];
  const octets = vector.folder.read(file.path);
  const { at = SOME_TIME } = wanted;
  const code = await codeOf(octets, at);
  const signature = {
    what: `XML signature of ${name}, ${at}`,
    expected: wanted.xmlSignature ?? 'valid',
    actual: code === undefined ? 'valid' : 'invalid',
  };
  if (code !== undefined) return [signature];

  const report = parseNvidiaReport(vector.file('report') ?? new Uint8Array());
  const { board, vbiosVersion } = report;
  // The name that NVIDIA would give the file; a driver's file needs none.
  const isVbios = readRim(await verifyRimSignature(octets, trustAt(at))).version === vbiosVersion;
  const id = [board.project, board.projectSku, board.chipSku, vbiosVersion.replaceAll('.', '')].join('_');
  const given = [{ name: isVbios ? `NV_GPU_VBIOS_${id}` : 'rim.xml', octets }];
  const { golden_drivers, golden_vbioses } = await makeGoldenValues(given, trustAt(at));
  const [golden] = [...golden_drivers, ...golden_vbioses];
  const blocks = golden?.blocks ?? [];
  const differing = compareGolden(report.measurements, { blocks }, { blocks: [] }).map((block) => block - 1);
  return [
    signature,
    {
      what: `version of ${name}`,
      expected: isVbios ? vbiosVersion : report.driverVersion,
      actual: golden?.version ?? '',
    },
    {
      what: `signed active entries of ${name}`,
      expected: String(wanted.activeEntries),
      actual: String(blocks.length),
    },
    {
      what: `mismatches with signed ${name}`,
      expected: wanted.mismatches.join(' '),
      actual: differing.join(' '),
    },
    {
      what: `${name}, ${LATER}`,
      expected: 'rim_certificate_not_valid_then',
      actual: (await codeOf(octets, LATER)) ?? 'accepted',
    },
  ];
}

async function codeOf(octets: Uint8Array, at: string): Promise<string | undefined> {
  try {
    readRim(await verifyRimSignature(octets, trustAt(at)));
    return undefined;
  } catch (error) {
    if (error instanceof RimError) return error.code;
    throw error;
  }
}

function trustAt(at: string): { readonly roots: readonly string[]; readonly at: Date } {
  return { roots: NVIDIA_RIM_ROOTS, at: new Date(at) };
}
