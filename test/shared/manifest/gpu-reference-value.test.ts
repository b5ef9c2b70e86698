import { describe, expect, it } from 'vitest';
import { readShape } from '../../../shared/bytes/shape.ts';
import { pcrValues } from '../../../shared/manifest/azure-reference-value.ts';
import { type GpuReferenceValue, gpuReferenceValue } from '../../../shared/manifest/gpu-reference-value.ts';

const blocks = [{ block: 8, digests: ['11'.repeat(48)] }];
const driver = { version: '550.144.03', blocks };
const vbios = { version: '96.00.9F.00.02', project: '1010', project_sku: '0210', chip_sku: '886', blocks };
const sound: GpuReferenceValue = {
  vendor: 'nvidia',
  architecture: 'hopper',
  count: 8,
  evidence: 'report',
  minimum_driver: '550.90.07',
  minimum_vbios: '96.00.9F.00.01',
  golden_drivers: [driver],
  golden_vbioses: [vbios],
  device_ids: 'any',
  revocation: 'required',
};

function pathsOf(value: unknown): readonly string[] {
  const read = readShape(gpuReferenceValue, value);
  return read.ok ? [] : read.problems.map(({ path }) => path);
}

describe('what a manifest expects of GPUs', () => {
  it('reads back as it was written', () => {
    expect(readShape(gpuReferenceValue, sound)).toEqual({ ok: true, value: sound });
    expect(pathsOf({ ...sound, evidence: 'nras', golden_drivers: [], golden_vbioses: [] })).toEqual([]);
    expect(pathsOf({ ...sound, device_ids: ['645491728318197586580044110930866076104639838622'] })).toEqual(
      [],
    );
  });
  const cases: readonly (readonly [string, object, readonly string[]])[] = [
    ['reports without golden drivers', { golden_drivers: [] }, ['']],
    ['reports without golden VBIOSes', { golden_vbioses: [] }, ['']],
    ['a driver version twice', { golden_drivers: [driver, driver] }, ['golden_drivers']],
    ['a board’s version twice', { golden_vbioses: [vbios, vbios] }, ['golden_vbioses']],
    [
      'a block twice',
      { golden_drivers: [{ ...driver, blocks: [...blocks, ...blocks] }] },
      ['golden_drivers[0].blocks'],
    ],
    [
      'a block that no report has',
      { golden_drivers: [{ ...driver, blocks: [{ block: 65, digests: ['11'.repeat(48)] }] }] },
      ['golden_drivers[0].blocks[0].block'],
    ],
    [
      'a block without values',
      { golden_drivers: [{ ...driver, blocks: [{ block: 1, digests: [] }] }] },
      ['golden_drivers[0].blocks[0].digests'],
    ],
    ['no GPU', { count: 0 }, ['count']],
    ['another architecture', { architecture: 'blackwell' }, ['architecture']],
    [
      'versions in another spelling',
      { minimum_driver: '550', minimum_vbios: '96.00.9f.00.01' },
      ['minimum_driver', 'minimum_vbios'],
    ],
    ['a device id in hex', { device_ids: ['0x1'] }, ['device_ids[0]']],
    ['a member more', { debug: true }, ['debug']],
  ];
  for (const [what, changes, paths] of cases)
    it(`is refused with ${what}`, () => {
      expect(pathsOf({ ...sound, ...changes })).toEqual(paths);
    });
  it('leaves nothing out', () => {
    for (const name of Object.keys(sound)) {
      const { [name as keyof GpuReferenceValue]: _, ...rest } = sound;
      expect(pathsOf(rest)).toEqual([name]);
    }
  });
});

describe('expected registers', () => {
  it('are at least one, each once', () => {
    const one = { index: 4, digests: ['00'.repeat(32)] };
    const isSound = (value: unknown) => readShape(pcrValues, value).ok;
    expect(isSound([one])).toBe(true);
    expect(isSound([])).toBe(false);
    expect(isSound([one, one])).toBe(false);
    expect(isSound([{ ...one, index: 24 }])).toBe(false);
    expect(isSound([{ ...one, digests: [] }])).toBe(false);
  });
});
