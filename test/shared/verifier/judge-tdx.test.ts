import { describe, expect, it } from 'vitest';
import { readShape } from '../../../shared/bytes/shape.ts';
import type { TdxReferenceValue } from '../../../shared/manifest/tdx-reference-value.ts';
import { tdxReferenceValue } from '../../../shared/manifest/tdx-reference-value.ts';
import { judgeTdx } from '../../../shared/verifier/judge-tdx.ts';
import { StepLog } from '../../../shared/verifier/step.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { verifyTdxEvidence } from '../../../shared/verifier/verify-tdx-evidence.ts';
import { soundTdxReference, type TdxChanges, tdxEvidence, tdxNow, tdxRoots } from './tdx-platform.ts';

async function violations(
  changes: TdxChanges,
  wanted: Partial<TdxReferenceValue> = {},
): Promise<readonly string[]> {
  const trust = { roots: tdxRoots, hardware: true };
  const genuine = await verifyTdxEvidence(new StepLog(), tdxEvidence(changes), trust, tdxNow, webCrypto);
  const log = new StepLog();
  judgeTdx(log, genuine, { ...soundTdxReference, ...wanted });
  expect(new Set(log.steps.map(({ name }) => name)).size).toBe(log.steps.length);
  return log.violations.map(({ step, code }) => `${step}: ${code}`);
}

const attributes = { ...soundTdxReference.attributes };
const octets = (length: number) => new Uint8Array(length).fill(0x33);
const zeros48 = '00'.repeat(48);

describe('a genuine quote against expectations', () => {
  it('meets all of them, in both versions', async () => {
    expect(await violations({})).toEqual([]);
    expect(await violations({ version: 5 })).toEqual([]);
  });
  const cases: readonly (readonly [string, TdxChanges, Partial<TdxReferenceValue>, readonly string[]])[] = [
    ...Array.from(
      { length: 8 },
      (_, bit) =>
        [
          `debug group, bit ${bit}`,
          { report: { tdAttributes: (1n << 28n) | (1n << BigInt(bit)) } },
          {},
          ['policy.debug: policy_debug'],
        ] as const,
    ),
    [
      'migratable',
      { report: { tdAttributes: (1n << 28n) | (1n << 29n) } },
      {},
      ['policy.migration: policy_migration'],
    ],
    [
      'service guest',
      { version: 5, report: { mrServiceTd: octets(48) } },
      {},
      ['policy.migration: policy_migration'],
    ],
    [
      'SEPT_VE_DISABLE missing',
      { report: { tdAttributes: 0n } },
      {},
      ['policy.sept-ve-disable: policy_sept_ve_disable'],
    ],
    [
      'protection keys',
      { report: { tdAttributes: (1n << 28n) | (1n << 30n) } },
      {},
      ['policy.td-attributes: policy_td_attributes'],
    ],
    [
      'key locker',
      { report: { tdAttributes: (1n << 28n) | (1n << 31n) } },
      {},
      ['policy.td-attributes: policy_td_attributes'],
    ],
    [
      'performance monitoring',
      { report: { tdAttributes: (1n << 28n) | (1n << 63n) } },
      {},
      ['policy.td-attributes: policy_td_attributes'],
    ],
    [
      'an attribute that nobody knows',
      { report: { tdAttributes: (1n << 28n) | (1n << 40n) } },
      { attributes: { ...attributes, pks: 'any', key_locker: 'any', perfmon: 'any' } },
      ['policy.td-attributes: policy_td_attributes'],
    ],
    ['features', { report: { xfam: octets(8) } }, {}, ['policy.xfam: policy_xfam']],
    ['firmware', { report: { mrTd: octets(48) } }, {}, ['policy.measurement: policy_measurement']],
    ['register 0', {}, { rtmr0: [zeros48] }, ['policy.rtmr0: policy_rtmr']],
    ['register 1', {}, { rtmr1: [zeros48] }, ['policy.rtmr1: policy_rtmr']],
    ['register 2', {}, { rtmr2: [zeros48] }, ['policy.rtmr2: policy_rtmr']],
    ['register 3', {}, { rtmr3: [zeros48] }, ['policy.rtmr3: policy_rtmr']],
    ['MRCONFIGID', {}, { mrconfigid: zeros48 }, ['policy.mrconfigid: policy_td_config']],
    ['MROWNER', {}, { mrowner: zeros48 }, ['policy.mrowner: policy_td_config']],
    ['MROWNERCONFIG', {}, { mrownerconfig: zeros48 }, ['policy.mrownerconfig: policy_td_config']],
    ['module', {}, { mrseam: [zeros48] }, ['policy.tdx-module: policy_tdx_module']],
    ['machine', {}, { ppids: ['00'.repeat(16)] }, ['policy.platform-id: policy_platform_id']],
    [
      'evaluation number',
      {},
      { minimum_tcb_evaluation_data_number: 20 },
      ['policy.tcb-evaluation: policy_tcb_evaluation'],
    ],
    ['out of date', { qe: { isvSvn: 3 } }, {}, ['policy.tcb-status: policy_tcb_status']],
    [
      'revoked',
      { qe: { isvSvn: 2 } },
      { tcb_statuses: ['UpToDate', 'OutOfDate'] },
      ['policy.tcb-status: policy_tcb_status'],
    ],
    [
      'below every level',
      { qe: { isvSvn: 1 } },
      { tcb_statuses: ['UpToDate', 'OutOfDate'] },
      ['policy.tcb-supported: policy_tcb_not_supported'],
    ],
    [
      'text behind the quote',
      { trailing: octets(3) },
      {},
      ['policy.trailing-octets: policy_trailing_octets'],
    ],
    [
      'several at once',
      { report: { tdAttributes: 1n, mrTd: octets(48) }, qe: { isvSvn: 3 } },
      {},
      [
        'policy.debug: policy_debug',
        'policy.sept-ve-disable: policy_sept_ve_disable',
        'policy.measurement: policy_measurement',
        'policy.tcb-status: policy_tcb_status',
      ],
    ],
  ];
  for (const [name, changes, wanted, expected] of cases)
    it(`${name}: ${expected.join(', ')}`, async () => {
      expect(await violations(changes, wanted)).toEqual(expected);
    });
  it('what the manifest leaves open is not asked for', async () => {
    const open: Partial<TdxReferenceValue> = {
      rtmr0: 'any',
      rtmr1: 'any',
      rtmr2: 'any',
      rtmr3: 'any',
      mrconfigid: 'any',
      mrowner: 'any',
      mrownerconfig: 'any',
      xfam: 'any',
      mrseam: 'any',
      ppids: 'any',
      attributes: { ...attributes, sept_ve_disable: 'any', pks: 'any', key_locker: 'any', perfmon: 'any' },
      tcb_statuses: ['OutOfDate'],
    };
    const report = {
      rtmrs: [octets(48), octets(48), octets(48), octets(48)] as const,
      mrConfigId: octets(48),
      mrOwner: octets(48),
      mrOwnerConfig: octets(48),
      xfam: octets(8),
      mrSeam: octets(48),
      tdAttributes: (1n << 30n) | (1n << 31n) | (1n << 63n),
    };
    expect(await violations({ report, qe: { isvSvn: 3 } }, open)).toEqual([]);
  });
});

describe('expectations as JSON', () => {
  it('are read whole', () => {
    expect(readShape(tdxReferenceValue, structuredClone(soundTdxReference))).toEqual({
      ok: true,
      value: soundTdxReference,
    });
  });
  it('an absent or unknown one is refused, and so is what may never be accepted', () => {
    for (const name of Object.keys(soundTdxReference)) {
      const { [name as keyof TdxReferenceValue]: _, ...rest } = soundTdxReference;
      expect(readShape(tdxReferenceValue, rest)).toMatchObject({ ok: false, problems: [{ path: name }] });
    }
    for (const wrong of [
      { more: 1 },
      { mrtd: [] },
      { mrtd: 'any' },
      { tcb_statuses: ['Revoked'] },
      { tcb_statuses: [] },
      { service_td: 'any' },
      { attributes: { ...attributes, debug: true } },
      { attributes: { ...attributes, migratable: true } },
      { mrtd: [zeros48.toUpperCase().replace('0', 'A')] },
    ])
      expect(readShape(tdxReferenceValue, { ...soundTdxReference, ...wrong })).toMatchObject({ ok: false });
  });
});
