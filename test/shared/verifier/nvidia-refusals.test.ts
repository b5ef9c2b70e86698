import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bitString, boolean, integer, sequence } from '../../../backend/tee/simulated/der-writer.ts';
import { extension } from '../../../backend/tee/simulated/make-certificate.ts';
import { concat } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { parseNvidiaChain } from '../../../shared/evidence/nvidia-chain.ts';
import { parseNvidiaReport } from '../../../shared/evidence/nvidia-report.ts';
import type { GpuReferenceValue } from '../../../shared/manifest/gpu-reference-value.ts';
import { compareGolden, isAtLeast, judgeGpus } from '../../../shared/verifier/judge-gpus.ts';
import { nobleCrypto } from '../../../shared/verifier/noble-crypto.ts';
import { PINNED_ROOTS } from '../../../shared/verifier/roots/amd.ts';
import { StepLog, StoppedVerification } from '../../../shared/verifier/step.ts';
import { type VerifierCrypto, webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import {
  type CertificateStatus,
  type GenuineGpu,
  verifyNvidiaGpu,
} from '../../../shared/verifier/verify-nvidia-gpu.ts';
import {
  DRIVER_DIGEST,
  deviceIdExtension,
  flipBit,
  type GpuChanges,
  gpuRoot,
  LEAF_SERIAL,
  makeChain,
  makeGpu,
  makeReport,
  tcbInfoExtension,
  VBIOS_DIGEST,
} from './nvidia-fixture.ts';

const now = new Date('2026-11-23T12:00:00Z');
const nonce = new Uint8Array(32).fill(5);

interface Options {
  readonly trust?: { roots?: readonly string[]; hardware?: boolean; simulated?: readonly string[] };
  readonly statusOf?: (serial: string) => CertificateStatus;
  readonly crypto?: VerifierCrypto;
}

async function verify(
  evidence: Pick<ReturnType<typeof makeGpu>, 'report' | 'chain'>,
  options: Options = {},
): Promise<{ gpu: GenuineGpu | undefined; log: StepLog }> {
  const log = new StepLog();
  const trust = { roots: [], hardware: false, simulated: [await gpuRoot()], ...options.trust };
  const { statusOf, crypto = webCrypto } = options;
  try {
    return { gpu: await verifyNvidiaGpu(log, evidence, { nonce, trust, now, crypto, statusOf }), log };
  } catch (error) {
    if (!(error instanceof StoppedVerification)) throw error;
    return { gpu: undefined, log };
  }
}

async function refusal(changes: GpuChanges, options: Options = {}): Promise<string | undefined> {
  const { gpu, log } = await verify(makeGpu(changes), options);
  expect(gpu === undefined).toBe(log.violations.length === 1);
  // What failed is the last thing that was looked at.
  if (!gpu) expect(log.steps.at(-1)?.result).toBe('fail');
  return log.violations[0]?.code;
}

describe('a GPU', () => {
  it('is genuine when nothing is wrong, with either provider, simulated under a simulator’s root', async () => {
    for (const crypto of [webCrypto, nobleCrypto]) {
      const { gpu, log } = await verify(makeGpu(), { crypto });
      expect(log.violations).toEqual([]);
      expect(gpu).toMatchObject({
        assurance: 'simulated',
        architecture: 'GH100',
        ueid: String(LEAF_SERIAL),
        revocation: 'unknown',
      });
    }
    expect(
      (await verify(makeGpu(), { trust: { roots: [await gpuRoot()], hardware: true } })).gpu?.assurance,
    ).toBe('hardware');
  });
  it('may leave the firmware id out of its report, as driver 535 does', async () => {
    expect(await refusal({ reportFwid: undefined })).toBeUndefined();
  });
  it('may be a Blackwell as far as cryptography goes', async () => {
    const blackwell = {
      names: { 0: 'GB100 A01 GSP FMC LF', 1: 'GB100 A01 GSP BROM' },
      extensions: { 0: [tcbInfoExtension(new Uint8Array(48).fill(0x77))] },
    };
    expect(await refusal(blackwell)).toBeUndefined();
  });
  it('may have one zero octet behind its report, and no other', async () => {
    expect(await refusal({ trailing: Uint8Array.of(0) })).toBeUndefined();
    expect(await refusal({ trailing: Uint8Array.of(1) })).toBe('evidence_gpu_report_malformed');
    expect(await refusal({ trailing: Uint8Array.of(0, 0) })).toBe('evidence_gpu_report_malformed');
  });

  const ca = (...more: readonly Uint8Array[]) =>
    extension('2.5.29.19', true, sequence(boolean(true), ...more));
  const sign = extension('2.5.29.15', true, bitString(Uint8Array.of(0x04), 2));
  const crlOnly = extension('2.5.29.15', true, bitString(Uint8Array.of(0x02), 1));
  const fwid = new Uint8Array(48).fill(0x77);
  const cases: readonly (readonly [string, GpuChanges, string])[] = [
    ['another nonce', { nonce: new Uint8Array(32) }, 'evidence_gpu_nonce'],
    ['firmware of another leaf', { leafFwid: new Uint8Array(48) }, 'evidence_gpu_fwid'],
    ['a report of other firmware', { reportFwid: new Uint8Array(48).fill(1) }, 'evidence_gpu_fwid'],
    [
      'another key’s signature',
      { signer: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey },
      'evidence_report_signature',
    ],
    ['a leaf that nobody signed', { wronglySigned: [0] }, 'evidence_chain_signature'],
    ['a device identity that nobody signed', { wronglySigned: [1] }, 'evidence_chain_signature'],
    ['a provisioner that nobody signed', { wronglySigned: [2] }, 'evidence_chain_signature'],
    ['an architecture that nobody signed', { wronglySigned: [3] }, 'evidence_chain_signature'],
    ['a root that did not sign itself', { wronglySigned: [4] }, 'evidence_chain_signature'],
    ['an issuer of another name', { issuers: { 2: 'NVIDIA GB100 Identity' } }, 'evidence_chain_profile'],
    ['a device of another chip', { names: { 1: 'GB100 A01 GSP BROM' } }, 'evidence_chain_profile'],
    ['a leaf for another device key', { deviceKey: spkiOf() }, 'evidence_chain_profile'],
    [
      'an authority as leaf',
      { extensions: { 0: [ca(), deviceIdExtension(realDeviceKey(), fwid)] } },
      'evidence_chain_profile',
    ],
    ['an issuer that is no authority', { extensions: { 1: [sign] } }, 'evidence_chain_profile'],
    ['an issuer that may not sign', { extensions: { 2: [ca(), crlOnly] } }, 'evidence_chain_profile'],
    ['a path too long', { extensions: { 2: [ca(integer(0)), sign] } }, 'evidence_chain_profile'],
    [
      'a leaf that has ended',
      { notAfter: { 0: new Date('2026-11-23T11:59:59Z') } },
      'evidence_certificate_not_valid_now',
    ],
    [
      'an issuer that has ended',
      { notAfter: { 3: new Date('2026-01-01T00:00:00Z') } },
      'evidence_certificate_not_valid_now',
    ],
    ['a leaf of no device', { names: { 0: 'GH100' } }, 'evidence_certificate_malformed'],
    ['a leaf without a firmware id', { extensions: { 0: [] } }, 'evidence_certificate_malformed'],
    [
      'a leaf with two kinds of firmware id',
      { extensions: { 0: [deviceIdExtension(realDeviceKey(), fwid), tcbInfoExtension(fwid)] } },
      'evidence_certificate_malformed',
    ],
    [
      'a simulated root with NVIDIA’s name',
      { names: { 4: 'NVIDIA Device Identity CA' } },
      'evidence_root_unknown',
    ],
    ['a driver version that is none', { driver: '550' }, 'evidence_gpu_report_malformed'],
    [
      'a VBIOS version with more to it',
      { vbios: new Uint8Array(8).fill(1) },
      'evidence_gpu_report_malformed',
    ],
    [
      'an unknown feature flag',
      { fields: new Map([[36, Uint8Array.of(3, 0)]]) },
      'evidence_gpu_report_malformed',
    ],
    [
      'PCIe neither protected nor not',
      { fields: new Map([[21, Uint8Array.of(0)]]) },
      'evidence_gpu_report_malformed',
    ],
    ['a firmware id cut short', { reportFwid: new Uint8Array(47) }, 'evidence_gpu_report_malformed'],
  ];
  for (const [what, changes, code] of cases)
    it(`${code}: ${what}`, async () => {
      expect(await refusal(changes)).toBe(code);
    });

  it('policy_hardware_root, evidence_root_unknown: a root that the policy does not name', async () => {
    expect(await refusal({}, { trust: { roots: [await gpuRoot()], simulated: [] } })).toBe(
      'policy_hardware_root',
    );
    expect(await refusal({}, { trust: { simulated: [] } })).toBe('evidence_root_unknown');
    expect(
      await refusal({}, { trust: { roots: PINNED_ROOTS.nvidia ?? [], hardware: true, simulated: [] } }),
    ).toBe('evidence_root_unknown');
  });
  it('evidence_certificate_malformed, evidence_algorithm_unsupported: another chain', async () => {
    const { report, chain } = makeGpu();
    const codeOf = async (changed: readonly Uint8Array<ArrayBuffer>[]) =>
      (await verify({ report, chain: changed })).log.violations[0]?.code;
    expect(await codeOf(chain.slice(0, 4))).toBe('evidence_certificate_malformed');
    expect(await codeOf([...chain, chain[4] as Uint8Array<ArrayBuffer>])).toBe(
      'evidence_certificate_malformed',
    );
    expect(await codeOf([chain[1], chain[0], ...chain.slice(2)] as Uint8Array<ArrayBuffer>[])).toBe(
      'evidence_certificate_malformed',
    );
    expect(
      await codeOf([chain[0], chain[2], chain[1], chain[3], chain[4]] as Uint8Array<ArrayBuffer>[]),
    ).toBe('evidence_chain_profile');
    expect(await codeOf([...chain.slice(0, 4), new Uint8Array(16 * 1024 + 1)])).toBe('evidence_too_large');
  });
  it('evidence_revoked: a certificate that is revoked or on hold; good only when all are known to be', async () => {
    const statuses =
      (status: CertificateStatus, of = '2') =>
      (serial: string): CertificateStatus =>
        serial === of ? status : 'good';
    expect(await refusal({}, { statusOf: statuses('revoked') })).toBe('evidence_revoked');
    expect(await refusal({}, { statusOf: statuses('hold', '1') })).toBe('evidence_revoked');
    expect((await verify(makeGpu(), { statusOf: statuses('unknown') })).gpu?.revocation).toBe('unknown');
    expect((await verify(makeGpu(), { statusOf: () => 'good' })).gpu?.revocation).toBe('good');
  });
  it('evidence_gpu_report_malformed, evidence_too_large: cut or lengthened anywhere', () => {
    const report = makeReport();
    for (let length = 0; length < report.length; length += 13)
      expect(() => parseNvidiaReport(report.subarray(0, length))).toThrow('evidence_gpu_report_malformed');
    expect(() => parseNvidiaReport(new Uint8Array(8 * 1024 + 1))).toThrow('evidence_too_large');
  });
});

const golden: GpuReferenceValue = {
  vendor: 'nvidia',
  architecture: 'hopper',
  count: 1,
  evidence: 'report',
  minimum_driver: '550.90.07',
  minimum_vbios: '96.00.9F.00.01',
  golden_drivers: [
    { version: '550.144.03', blocks: [{ block: 8, digests: ['ff'.repeat(48), toHex(DRIVER_DIGEST)] }] },
  ],
  golden_vbioses: [
    {
      version: '96.00.9F.00.02',
      project: '1010',
      project_sku: '0210',
      chip_sku: '886',
      blocks: [{ block: 1, digests: [toHex(VBIOS_DIGEST)] }],
    },
  ],
  device_ids: 'any',
  revocation: 'unchecked',
};

async function violations(
  gpus: readonly GpuChanges[],
  wanted: Partial<GpuReferenceValue> = {},
  options: Options = {},
): Promise<readonly string[]> {
  const genuine: GenuineGpu[] = [];
  for (const changes of gpus) {
    const { gpu } = await verify(makeGpu(changes), options);
    if (!gpu) throw new Error('not genuine');
    genuine.push(gpu);
  }
  const log = new StepLog();
  judgeGpus(
    log,
    { gpus: genuine, verdict: undefined, named: [], assurance: 'simulated', notAfter: undefined },
    { ...golden, ...wanted },
  );
  return log.violations.map(({ code }) => code);
}

describe('genuine GPUs against a manifest', () => {
  it('pass when they are what it names', async () => {
    expect(await violations([{}])).toEqual([]);
    expect(await violations([{ serial: 1 }, { serial: 2 }], { count: 2 })).toEqual([]);
    expect(await violations([{}], { device_ids: [String(LEAF_SERIAL)] })).toEqual([]);
    expect(await violations([{}], { revocation: 'required' }, { statusOf: () => 'good' })).toEqual([]);
  });
  const differing = { measurements: { 8: new Uint8Array(48).fill(0x33) } };
  const cases: readonly (readonly [
    string,
    readonly GpuChanges[],
    Partial<GpuReferenceValue>,
    readonly string[],
  ])[] = [
    ['none', [], {}, ['policy_gpu_absent', 'policy_gpu_count']],
    [
      'no verdict where both are wanted',
      [{}],
      { evidence: 'both' },
      ['policy_gpu_absent', 'policy_gpu_count'],
    ],
    ['one of two', [{}], { count: 2 }, ['policy_gpu_count']],
    ['the same one twice', [{}, {}], { count: 2 }, ['policy_gpu_count']],
    ['one too many', [{ serial: 1 }, { serial: 2 }], {}, ['policy_gpu_count']],
    [
      'a Blackwell',
      [
        {
          names: { 0: 'GB100 A01 GSP FMC LF', 1: 'GB100 A01 GSP BROM' },
          extensions: { 0: [tcbInfoExtension(new Uint8Array(48).fill(0x77))] },
          serial: LEAF_SERIAL,
        },
      ],
      {},
      ['policy_gpu_architecture'],
    ],
    [
      'protected PCIe by its status',
      [{ fields: new Map([[21, Uint8Array.of(0xaa)]]) }],
      {},
      ['policy_gpu_protected_pcie'],
    ],
    [
      'protected PCIe by its flag',
      [{ fields: new Map([[36, Uint8Array.of(2, 0)]]) }],
      {},
      ['policy_gpu_protected_pcie'],
    ],
    ['an old driver', [{}], { minimum_driver: '550.144.04' }, ['policy_gpu_driver']],
    ['an old VBIOS', [{}], { minimum_vbios: '96.00.9F.00.03' }, ['policy_gpu_vbios']],
    ['debug or patched firmware', [differing], {}, ['policy_gpu_measurements']],
    ['a driver without golden values', [{ driver: '550.144.04' }], {}, ['policy_gpu_measurements']],
    [
      'a board without golden values',
      [{ vbios: Uint8Array.of(0, 0x9f, 0, 0x96, 3, 0, 0, 0) }],
      {},
      ['policy_gpu_measurements'],
    ],
    ['an unknown device', [{}], { device_ids: ['1'] }, ['policy_gpu_id']],
    ['a device that nobody asked about', [{}], { revocation: 'required' }, ['policy_gpu_revocation']],
    [
      'all at once',
      [differing],
      { minimum_driver: '999.0', minimum_vbios: 'FF.00.00.00.00', device_ids: ['1'], revocation: 'required' },
      [
        'policy_gpu_driver',
        'policy_gpu_vbios',
        'policy_gpu_measurements',
        'policy_gpu_id',
        'policy_gpu_revocation',
      ],
    ],
  ];
  for (const [what, gpus, wanted, codes] of cases)
    it(`${codes.join(', ')}: ${what}`, async () => {
      expect(await violations(gpus, wanted)).toEqual(codes);
    });

  it('compares every block of both files, and refuses one that both claim', () => {
    const measured = Array.from({ length: 64 }, (_, index) => new Uint8Array(48).fill(index + 1));
    const is = (block: number, value = block) => ({
      block,
      digests: [toHex(new Uint8Array(48).fill(value))],
    });
    expect(compareGolden(measured, { blocks: [is(8), is(9)] }, { blocks: [is(1)] })).toEqual([]);
    expect(compareGolden(measured, { blocks: [is(8), is(9, 1)] }, { blocks: [is(1, 2)] })).toEqual([1, 9]);
    expect(compareGolden(measured, { blocks: [is(8)] }, { blocks: [is(8)] })).toEqual([8]);
    expect(compareGolden(measured.slice(0, 5), { blocks: [is(8)] }, { blocks: [is(1)] })).toEqual([8]);
  });
  it('compares versions by number', () => {
    expect(isAtLeast('550.144.03', '550.90.07', 10)).toBe(true);
    expect(isAtLeast('550.90.07', '550.90.07', 10)).toBe(true);
    expect(isAtLeast('550.90', '550.90.01', 10)).toBe(false);
    expect(isAtLeast('96.00.A5.00.01', '96.00.9F.00.02', 16)).toBe(true);
    expect(isAtLeast('96.00.74.00.1A', '96.00.9F.00.01', 16)).toBe(false);
    expect(isAtLeast('', '0.0', 10)).toBe(false);
  });
});

describe('a GPU’s evidence with a bit turned is refused', () => {
  it('in the report', async () => {
    const { report, chain } = makeGpu();
    const trust = { roots: [], hardware: false, simulated: [await gpuRoot()] };
    let tried = 0;
    for (let bit = 0; bit < report.length * 8; bit += 53) {
      const log = new StepLog();
      const evidence = { report: flipBit(report, bit), chain };
      await expect(
        verifyNvidiaGpu(log, evidence, { nonce, trust, now, crypto: onlyReport(chain) }),
      ).rejects.toBeInstanceOf(StoppedVerification);
      expect(log.violations[0]?.code).toMatch(/^evidence_(gpu|report)/);
      tried++;
    }
    expect(tried).toBeGreaterThan(500);
  });
  it('in each certificate', async () => {
    const { report, chain } = makeGpu();
    for (const [position, certificate] of chain.entries())
      for (let bit = 0; bit < certificate.length * 8; bit += 61) {
        const { gpu, log } = await verify({ report, chain: chain.with(position, flipBit(certificate, bit)) });
        expect(gpu).toBeUndefined();
        expect(log.violations[0]?.code).toMatch(/^evidence_/);
      }
  });
  it('and any octets in place of certificates give a typed error', () => {
    const chain = makeChain();
    for (let length = 0; length < (chain[0] as Uint8Array).length; length += 7)
      expect(() =>
        parseNvidiaChain(chain.with(0, concat((chain[0] as Uint8Array).subarray(0, length)))),
      ).toThrow(EvidenceError);
  });
});

/** WebCrypto that takes the chain's signatures as read, so that flipping a report costs one verification and not six. */
function onlyReport(chain: readonly Uint8Array<ArrayBuffer>[]): VerifierCrypto {
  const known = new Set(parseNvidiaChain(chain).certificates.map(({ tbs }) => toHex(tbs)));
  return {
    ...webCrypto,
    verifyEcdsaP384: async (point, signature, message) =>
      known.has(toHex(message)) || webCrypto.verifyEcdsaP384(point, signature, message),
  };
}

function spkiOf(): Uint8Array<ArrayBuffer> {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  return new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
}

function realDeviceKey(): Uint8Array<ArrayBuffer> {
  return parseNvidiaChain(makeChain()).certificates[1].spki;
}
