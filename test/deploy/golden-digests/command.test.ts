import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeGoldenValues } from '../../../deploy/golden-digests/golden-values.ts';
import { NVIDIA_RIM_ROOTS } from '../../../deploy/golden-digests/nvidia-rim-root.ts';
import { RIM_MAXIMUM_OCTETS } from '../../../deploy/golden-digests/plain-xml.ts';
import { readShape } from '../../../shared/bytes/shape.ts';
import { parseNvidiaReport } from '../../../shared/evidence/nvidia-report.ts';
import { gpuReferenceValue } from '../../../shared/manifest/gpu-reference-value.ts';
import { compareGolden } from '../../../shared/verifier/judge-gpus.ts';
import { haveVectors, readVector } from '../../harness/vectors.ts';
import { soundRim } from './rim-fixture.ts';

const program = fileURLToPath(new URL('../../../deploy/golden-digests/golden-digests.ts', import.meta.url));
const folder = 'attestation/nvidia';
const captured = (path: string) => readVector(`${folder}/${path}`);
const NAME = 'NV_GPU_VBIOS_1010_0200_882_96005E0001.xml';
let temporary = '';

beforeAll(() => {
  temporary = mkdtempSync(join(tmpdir(), 'cloister-rim-'));
});
afterAll(() => rmSync(temporary, { recursive: true }));

function run(...words: string[]): {
  readonly status: number | null;
  readonly out: string;
  readonly error: string;
} {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', program, ...words], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status, out: stdout, error: stderr };
}

function place(name: string, octets: string | Uint8Array): string {
  const path = join(temporary, name);
  writeFileSync(path, octets);
  return path;
}

describe('the command', () => {
  it('explains itself, and refuses another command line', () => {
    expect(run('--help')).toMatchObject({ status: 0, out: expect.stringContaining('--at TIME') });
    for (const words of [[], ['--unknown', 'a.xml'], ['--at', 'yesterday', 'a.xml']])
      expect(run(...words)).toMatchObject({ status: 2, out: '' });
  });

  it('names the file and the code, and prints nothing else', () => {
    const path = place('made-up.xml', soundRim());
    const { status, out, error } = run('--json', path);
    expect({ status, out }).toEqual({ status: 4, out: '' });
    expect(error).toContain('made-up.xml');
    expect(error).toContain('rim_root_unknown');
  });

  it('reads no file over its bound, and says which is not there', () => {
    const path = place('large.xml', new Uint8Array(RIM_MAXIMUM_OCTETS + 1));
    expect(run(path)).toMatchObject({ status: 4, error: expect.stringContaining('rim_too_large') });
    expect(run(join(temporary, 'absent.xml'))).toMatchObject({ status: 1, out: '' });
  });
});

describe.skipIf(!haveVectors)('files that NVIDIA signed (skipped where the vectors are absent)', () => {
  const DRIVER = 'h100-550.144.03-driver-rim-match';
  const VBIOS = 'h100-535.86.09-no-fwid';
  const trustAt = (at: string) => ({ roots: NVIDIA_RIM_ROOTS, at: new Date(at) });

  it('a driver’s values match what a GPU with this driver measured', async () => {
    const octets = captured(`${DRIVER}/rim-driver.xml`);
    const values = await makeGoldenValues(
      [{ name: 'rim-driver.xml', octets }],
      trustAt('2026-06-01T00:00:00Z'),
    );
    const [driver] = values.golden_drivers;
    expect(driver?.version).toBe('550.144.03');
    expect(driver?.blocks.map(({ block }) => block - 1)).toEqual([
      7,
      ...Array.from({ length: 20 }, (_, index) => 21 + index),
    ]);
    const report = parseNvidiaReport(captured(`${DRIVER}/report.bin`));
    expect(report.driverVersion).toBe(driver?.version);
    expect(compareGolden(report.measurements, driver ?? { blocks: [] }, { blocks: [] })).toEqual([]);
  });

  it('a VBIOS’s values match, and those of the other file differ in one block', async () => {
    const { measurements, vbiosVersion } = parseNvidiaReport(captured(`${VBIOS}/report.bin`));
    for (const [file, differing] of [
      ['rim-vbios.xml', []],
      ['rim-vbios-mismatch.xml', [10]],
    ] as const) {
      const { golden_vbioses } = await makeGoldenValues(
        [{ name: NAME, octets: captured(`${VBIOS}/${file}`) }],
        trustAt('2024-06-01T00:00:00Z'),
      );
      const [vbios] = golden_vbioses;
      expect(vbios).toMatchObject({ version: vbiosVersion, project: '1010', chip_sku: '882' });
      expect(vbios?.blocks).toHaveLength(12);
      expect(compareGolden(measurements, { blocks: [] }, vbios ?? { blocks: [] })).toEqual(differing);
    }
  });

  it.each([
    ['rim-invalid-signature/rim.xml', '2026-06-01T00:00:00Z', 'rim_signature_invalid'],
    ['rim-invalid-signature/rim-wrong-chain.xml', '2026-06-01T00:00:00Z', 'rim_root_unknown'],
    [`${DRIVER}/rim-driver.xml`, '2026-12-31T00:00:00Z', 'rim_certificate_not_valid_then'],
    [`${VBIOS}/rim-vbios.xml`, '2025-07-01T00:00:00Z', 'rim_certificate_not_valid_then'],
  ])('%s at %s is refused: %s', async (path, at, code) => {
    const judged = makeGoldenValues([{ name: NAME, octets: captured(path) }], trustAt(at));
    await expect(judged).rejects.toMatchObject({ name: 'RimError', code });
  });

  it('the command’s JSON goes into a manifest’s reference value as it is', () => {
    const driver = place('NV_GPU_DRIVER_GH100_550.144.03.xml', captured(`${DRIVER}/rim-driver.xml`));
    const vbios = place(NAME, captured(`${VBIOS}/rim-vbios-mismatch.xml`));
    // Both signers were valid then.
    const { status, out, error } = run('--json', '--at', '2025-06-01T00:00:00Z', driver, vbios);
    expect({ status, error }).toEqual({ status: 0, error: '' });
    const value: unknown = {
      vendor: 'nvidia',
      architecture: 'hopper',
      count: 1,
      evidence: 'report',
      minimum_driver: '550.144.03',
      minimum_vbios: '96.00.5E.00.01',
      device_ids: 'any',
      revocation: 'unchecked',
      ...(JSON.parse(out) as object),
    };
    expect(readShape(gpuReferenceValue, value)).toMatchObject({ ok: true });
    expect(run('--at', '2025-06-01T00:00:00Z', driver).out).toContain('driver 550.144.03: 21 blocks');
  });
});
