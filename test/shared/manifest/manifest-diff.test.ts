import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import { type Deployment, encodeDeployment } from '../../../shared/manifest/deployment.ts';
import type { GpuReferenceValue } from '../../../shared/manifest/gpu-reference-value.ts';
import type { Manifest } from '../../../shared/manifest/manifest.ts';
import { diffManifests } from '../../../shared/manifest/manifest-diff.ts';
import type { SnpReferenceValue } from '../../../shared/manifest/snp-reference-value.ts';
import type { TdxReferenceValue } from '../../../shared/manifest/tdx-reference-value.ts';
import { deployment } from '../../backend/tee/simulated-node.ts';
import { alice, carol, dave, firstManifest, secretOf, witness } from './manifest-fixture.ts';
import { holders, nextOf } from './signers.ts';

const first = await firstManifest();
const sound = simulatedReferenceValue(['5a'.repeat(48)]);
const gpu: GpuReferenceValue = {
  vendor: 'nvidia',
  architecture: 'hopper',
  count: 1,
  evidence: 'both',
  minimum_driver: '550.90.07',
  minimum_vbios: '96.00.9F.00.01',
  golden_drivers: [{ version: '550.90.07', blocks: [{ block: 1, digests: ['11'.repeat(48)] }] }],
  golden_vbioses: [],
  device_ids: ['12'],
  revocation: 'required',
};
const tdx: TdxReferenceValue = {
  tee: 'tdx',
  mrtd: ['11'.repeat(48)],
  rtmr0: 'any',
  rtmr1: ['22'.repeat(48)],
  rtmr2: 'any',
  rtmr3: 'any',
  mrconfigid: 'any',
  mrowner: 'any',
  mrownerconfig: 'any',
  xfam: 'any',
  attributes: {
    debug: false,
    migratable: false,
    sept_ve_disable: 'required',
    pks: 'off',
    key_locker: 'off',
    perfmon: 'off',
  },
  service_td: 'none',
  mrseam: 'any',
  tcb_statuses: ['UpToDate'],
  minimum_tcb_evaluation_data_number: 17,
  ppids: 'any',
  gpu: 'none',
};

/** Both directions of one change: what it is called and what it means. */
function bothWays(before: Partial<Manifest>, after: Partial<Manifest>): readonly string[] {
  const [a, b] = [
    { ...first, ...before },
    { ...first, ...after },
  ];
  return [diffManifests(a, b), diffManifests(b, a)].map((changes) =>
    changes.map(({ effect, path }) => `${effect} ${path}`).join('; '),
  );
}
const worker = (...values: NonNullable<Manifest['reference_values']['worker']>): Partial<Manifest> => ({
  reference_values: { worker: values },
});
const snp = (changes: Partial<SnpReferenceValue>) => worker({ ...sound, ...changes });
const running = (changes: Partial<Deployment>): Partial<Manifest> => ({
  deployments: [{ name: 'tiny', document: toBase64url(encodeDeployment({ ...deployment, ...changes })) }],
});
const at = (path: string): string => `reference_values.worker[0].${path}`;

describe('what asks less than before is weaker, and the way back is stronger', () => {
  const [floor] = sound.minimum_tcb;
  if (floor === undefined) throw new Error('the simulator has a floor');
  const cpu = `minimum_tcb[family ${floor.cpu.family}, model ${floor.cpu.model}, stepping ${floor.cpu.stepping}]`;
  const cases: readonly (readonly [string, Partial<Manifest>, Partial<Manifest>, string])[] = [
    ['fewer owners must agree', {}, { threshold: 1 }, 'threshold'],
    [
      'a lower TCB floor',
      snp({}),
      snp({ minimum_tcb: [{ ...floor, microcode: floor.microcode - 1 }] }),
      at(`${cpu}.microcode`),
    ],
    [
      'a floor for one more CPU',
      snp({}),
      snp({ minimum_tcb: [floor, { ...floor, cpu: { family: 26, model: 2, stepping: 1 } }] }),
      at('minimum_tcb[family 26, model 2, stepping 1]'),
    ],
    [
      'one more measurement',
      snp({}),
      snp({ measurements: [...sound.measurements, '6b'.repeat(48)] }),
      at(`measurements[${'6b'.repeat(48)}]`),
    ],
    ['any chip', snp({ chip_ids: ['33'.repeat(64)] }), snp({ chip_ids: 'any' }), at('chip_ids')],
    ['a deeper privilege level', snp({}), snp({ vmpl: 1 }), at('vmpl')],
    [
      'provisional firmware',
      snp({ provisional_firmware: 'refused' }),
      snp({ provisional_firmware: 'accepted' }),
      at('provisional_firmware'),
    ],
    [
      'SMT',
      snp({ guest_policy: { ...sound.guest_policy, smt: 'off' } }),
      snp({ guest_policy: { ...sound.guest_policy, smt: 'any' } }),
      at('guest_policy.smt'),
    ],
    [
      'no alias check',
      snp({ platform: { ...sound.platform, alias_check: 'required' } }),
      snp({ platform: { ...sound.platform, alias_check: 'any' } }),
      at('platform.alias_check'),
    ],
    [
      'a mitigation bit',
      snp({ minimum_mitigations: { launch: '0000000000000016', current: '0000000000000016' } }),
      snp({ minimum_mitigations: { launch: '0000000000000006', current: '0000000000000016' } }),
      at('minimum_mitigations.launch'),
    ],
    ['no GPU', snp({ gpu }), snp({ gpu: 'none' }), at('gpu')],
    [
      'an older GPU driver',
      snp({ gpu }),
      snp({ gpu: { ...gpu, minimum_driver: '550.54.15' } }),
      at('gpu.minimum_driver'),
    ],
    [
      'an older VBIOS',
      snp({ gpu }),
      snp({ gpu: { ...gpu, minimum_vbios: '96.00.9E.00.01' } }),
      at('gpu.minimum_vbios'),
    ],
    [
      'one voice less about GPUs',
      snp({ gpu }),
      snp({ gpu: { ...gpu, evidence: 'nras' } }),
      at('gpu.evidence'),
    ],
    [
      'revocation unchecked',
      snp({ gpu }),
      snp({ gpu: { ...gpu, revocation: 'unchecked' } }),
      at('gpu.revocation'),
    ],
    ['any register', worker(tdx), worker({ ...tdx, rtmr1: 'any' }), at('rtmr1')],
    [
      'a TCB status',
      worker(tdx),
      worker({ ...tdx, tcb_statuses: ['UpToDate', 'OutOfDate'] }),
      at('tcb_statuses[OutOfDate]'),
    ],
    [
      'an older collateral',
      worker(tdx),
      worker({ ...tdx, minimum_tcb_evaluation_data_number: 16 }),
      at('minimum_tcb_evaluation_data_number'),
    ],
    ['another kind of machine', snp({}), worker(sound, tdx), 'reference_values.worker[1]'],
    ['a role more', {}, { reference_values: { worker: [sound], all: [sound] } }, 'reference_values.all'],
    [
      'no sandbox',
      running({}),
      running({ sandbox: { ...deployment.sandbox, driver: 'none' } }),
      'deployments[tiny].document.sandbox.driver',
    ],
    [
      'one engine for all',
      running({ isolation: { mode: 'single-use', spares: 1, engines: 2, linger_seconds: 0 } }),
      running({ isolation: 'shared' }),
      'deployments[tiny].document.isolation',
    ],
    [
      'one more route',
      running({}),
      running({ routes: [...deployment.routes, 'POST /v1/other'] }),
      'deployments[tiny].document.routes[POST /v1/other]',
    ],
    [
      'one more deployment',
      {},
      {
        deployments: [...first.deployments, { name: 'more', document: first.deployments[0]?.document ?? '' }],
      },
      'deployments[more]',
    ],
    [
      'no attestation service',
      { attestation_service: 'required' },
      { attestation_service: 'none' },
      'attestation_service',
    ],
    ['longer keys', {}, { key_epoch: { seconds: 7200, overlap_seconds: 3600 } }, 'key_epoch.seconds'],
  ];
  it.each(cases)('%s', (_name, before, after, path) => {
    expect(bothWays(before, after)).toEqual([`weaker ${path}`, `stronger ${path}`]);
  });
});

describe('who can act', () => {
  it('one more owner is weaker; who left is for people to judge', () => {
    const more = { owners: [...first.owners, ...holders(dave)] };
    expect(bothWays({}, more)).toEqual(['weaker owners[dave]', 'unclear owners[dave]']);
  });
  it('another key under an owner’s name is weaker both ways', () => {
    const other = { owners: [{ name: 'alice', ed25519: dave.ed25519 }, ...first.owners.slice(1)] };
    expect(bothWays({}, other)).toEqual(['weaker owners[alice].ed25519', 'weaker owners[alice].ed25519']);
  });
  it('no owners at all is stronger: nobody can change it any more', () => {
    const [gone = ''] = bothWays({}, { owners: [], threshold: 0 });
    expect(gone).toContain('stronger threshold');
  });
  it('recovery and witnesses', () => {
    const [none = '', some = ''] = bothWays({}, { seed_shares: { owners: [], threshold: 0 } });
    expect(none).toContain('stronger seed_shares.threshold');
    expect(some).toContain('weaker seed_shares.threshold');
    const [unwitnessed = ''] = bothWays({}, { witnesses: { keys: [], threshold: 0 } });
    expect(unwitnessed).toContain('weaker witnesses.threshold');
    expect(witness.name).toBe('witness.example/one');
  });
});

it('says nothing of order, and of what every version changes that it is neutral', async () => {
  const turned = { owners: [...first.owners].reverse() };
  expect(bothWays({}, turned)).toEqual(['', '']);
  const changes = diffManifests(first, await nextOf(first, { not_after: '2027-06-01T00:00:00Z' }));
  expect(changes.map(({ path, effect }) => [path, effect])).toEqual([
    ['serial', 'neutral'],
    ['previous', 'neutral'],
    ['not_after', 'neutral'],
  ]);
});

it('what the table does not know is unclear, never harmless', async () => {
  const model = { ...deployment.model, sha256: '99'.repeat(32) };
  expect(bothWays(running({}), running({ model }))).toEqual([
    'unclear deployments[tiny].document.model.sha256',
    'unclear deployments[tiny].document.model.sha256',
  ]);
  const secrets = [await secretOf({ to: 'deployment', digest: '11'.repeat(32) })];
  const paths = diffManifests(first, { ...first, secrets }).map(({ path, effect }) => `${effect} ${path}`);
  expect(paths).toContain('unclear secrets[weights-key].release_policy');
  expect(diffManifests(first, { ...first, service: 'other.example' })).toMatchObject([{ effect: 'unclear' }]);
  expect(alice.name + carol.name).toBe('alicecarol');
});

it('is empty for equal manifests, and never for others', () => {
  const manifests = fc.record({
    threshold: fc.integer({ min: 1, max: 3 }),
    serial: fc.integer({ min: 2, max: 9 }),
    vmpl: fc.integer({ min: 0, max: 3 }),
    measurements: fc.uniqueArray(
      fc.constantFrom('5a', '6b', '7c').map((octet) => octet.repeat(48)),
      {
        minLength: 1,
      },
    ),
  });
  const build = ({ vmpl, measurements, ...rest }: { vmpl: number; measurements: string[] }): Manifest => ({
    ...first,
    ...rest,
    ...snp({ vmpl, measurements: measurements.sort() }),
  });
  fc.assert(
    fc.property(manifests, manifests, (a, b) => {
      const [left, right] = [build(a), build(b)];
      expect(diffManifests(left, right).length === 0).toBe(JSON.stringify(left) === JSON.stringify(right));
    }),
  );
});
