import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { fromUtf8, toUtf8 } from '../../../shared/bytes/utf8.ts';
import type { GpuReferenceValue } from '../../../shared/manifest/gpu-reference-value.ts';
import { judgeGpus } from '../../../shared/verifier/judge-gpus.ts';
import { StepLog, StoppedVerification } from '../../../shared/verifier/step.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { type GenuineNras, verifyNras } from '../../../shared/verifier/verify-nras.ts';
import {
  CHAIN_CLAIMS,
  makeNras,
  type NrasChanges,
  nrasKeys,
  nrasNonce,
  nrasTime,
  soundDevice,
  TRUE_CLAIMS,
} from './nras-fixture.ts';
import { flipBit } from './nvidia-fixture.ts';

interface Options {
  readonly nonce?: Bytes;
  readonly keys?: Bytes | undefined;
  readonly now?: Date;
}

async function open(
  answer: Bytes,
  options: Options = {},
): Promise<{ readonly verdict: GenuineNras | undefined; readonly code: string | undefined }> {
  const log = new StepLog();
  const facts = { nonce: nrasNonce, keys: nrasKeys(), now: nrasTime, crypto: webCrypto, ...options };
  try {
    return { verdict: await verifyNras(log, answer, facts), code: undefined };
  } catch (error) {
    if (!(error instanceof StoppedVerification)) throw error;
    return { verdict: undefined, code: log.violations[0]?.code };
  }
}

async function refusal(changes: NrasChanges, options: Options = {}): Promise<string | undefined> {
  return (await open(await makeNras(changes), options)).code;
}

const stranger = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

describe('a verdict of NVIDIA', () => {
  it('is genuine in both versions, with both spellings of the digest', async () => {
    for (const version of ['2.0', '3.0'] as const)
      for (const algorithmName of ['SHA-256', 'SHA256']) {
        const { verdict, code } = await open(await makeNras({ version, algorithmName }));
        expect(code).toBeUndefined();
        expect(verdict?.devices).toMatchObject([
          {
            ueid: '1001',
            architecture: 'GH100',
            production: true,
            revocation: version === '3.0' ? 'good' : 'unknown',
          },
        ]);
        expect(verdict?.notAfter).toEqual(new Date('2026-11-23T12:59:00Z'));
      }
  });
  it('holds to the last second and not before the first', async () => {
    expect(await refusal({}, { now: new Date('2026-11-23T12:58:59Z') })).toBeUndefined();
    expect(await refusal({}, { now: new Date('2026-11-23T12:59:00Z') })).toBe('evidence_nras_not_valid_now');
    expect(await refusal({}, { now: new Date('2026-11-23T11:58:59Z') })).toBe('evidence_nras_not_valid_now');
  });

  const jwk = (key = stranger) => key.export({ format: 'jwk' });
  const cases: readonly (readonly [string, NrasChanges, string])[] = [
    ['false', { overall: { 'x-nvidia-overall-att-result': false } }, 'evidence_nras_refused'],
    ['the text "true"', { overall: { 'x-nvidia-overall-att-result': 'true' } }, 'evidence_nras_refused'],
    ['the text "false"', { overall: { 'x-nvidia-overall-att-result': 'false' } }, 'evidence_nras_refused'],
    ['1', { overall: { 'x-nvidia-overall-att-result': 1 } }, 'evidence_nras_refused'],
    ['no result', { overall: { 'x-nvidia-overall-att-result': undefined } }, 'evidence_nras_refused'],
    ['another nonce', { overall: { eat_nonce: '00'.repeat(32) } }, 'evidence_gpu_nonce'],
    ['no nonce', { overall: { eat_nonce: undefined } }, 'evidence_nras_malformed'],
    ['a device with another nonce', { device: { eat_nonce: '00'.repeat(32) } }, 'evidence_gpu_nonce'],
    ['a device without a nonce', { device: { eat_nonce: undefined } }, 'evidence_gpu_nonce'],
    ['another issuer', { overall: { iss: 'https://nras.attestation.nvidia.com/' } }, 'evidence_nras_issuer'],
    ['the local verifier', { overall: { iss: 'LOCAL_GPU_VERIFIER' } }, 'evidence_nras_issuer'],
    ['a device of another issuer', { device: { iss: 'x' } }, 'evidence_nras_issuer'],
    ['no end', { overall: { exp: undefined } }, 'evidence_nras_malformed'],
    ['a device without an end', { device: { exp: undefined } }, 'evidence_nras_malformed'],
    [
      'a device that has ended',
      { device: { exp: nrasTime.getTime() / 1000 } },
      'evidence_nras_not_valid_now',
    ],
    ['another version', { overall: { 'x-nvidia-ver': '4.0' } }, 'evidence_nras_malformed'],
    ['another subject', { overall: { sub: 'x' } }, 'evidence_nras_malformed'],
    ['an unknown key', { header: { kid: 'x' } }, 'evidence_nras_key_unknown'],
    ['no key id', { header: { kid: undefined } }, 'evidence_nras_key_unknown'],
    ['a device of an unknown key', { deviceHeader: { kid: 'x' } }, 'evidence_nras_key_unknown'],
    ['a key of an inherited name', { header: { kid: '__proto__' } }, 'evidence_nras_key_unknown'],
    ['another key’s signature', { signer: stranger }, 'evidence_nras_signature'],
    ['another key’s signature on a device', { deviceSigner: stranger }, 'evidence_nras_signature'],
    ['a key in the header', { signer: stranger, header: { jwk: jwk() } }, 'evidence_nras_signature'],
    [
      'a certificate in the header',
      { signer: stranger, header: { x5c: ['AAAA'] } },
      'evidence_nras_signature',
    ],
    ['no devices', { overall: { submods: {} } }, 'evidence_nras_devices'],
    ['one device more', { digests: (all) => ({ ...all, 'GPU-1': all['GPU-0'] }) }, 'evidence_nras_devices'],
    ['a device by another name', { digests: (all) => ({ 'GPU-1': all['GPU-0'] }) }, 'evidence_nras_devices'],
    [
      'another digest',
      { digests: () => ({ 'GPU-0': ['DIGEST', ['SHA-256', '00'.repeat(32)]] }) },
      'evidence_nras_devices',
    ],
    ['another hash', { algorithmName: 'SHA-1' }, 'evidence_nras_malformed'],
    [
      'an error in place of a device',
      { devices: [{ ...soundDevice('3.0'), 'x-nvidia-error-details': {} }] },
      'evidence_nras_refused',
    ],
    ['other measurements', { device: { measres: 'fail' } }, 'evidence_nras_refused'],
    ['another maker', { device: { oemid: '1' } }, 'evidence_nras_refused'],
  ];
  for (const [what, changes, code] of cases)
    it(`${code}: ${what}`, async () => {
      expect(await refusal(changes)).toBe(code);
    });

  for (const version of ['2.0', '3.0'] as const)
    it(`evidence_nras_refused: every claim of ${version} that is absent, false, or a text`, async () => {
      for (const name of TRUE_CLAIMS[version])
        for (const value of [undefined, false, 'true'])
          expect(await refusal({ version, device: { [name]: value } })).toBe('evidence_nras_refused');
    });
  it('evidence_nras_refused: every chain of 3.0 that is not known to be good', async () => {
    const good = soundDevice('3.0')[CHAIN_CLAIMS[0] as string] as Record<string, unknown>;
    for (const name of CHAIN_CLAIMS)
      for (const value of [
        undefined,
        true,
        { ...good, 'x-nvidia-cert-status': 'expired' },
        { ...good, 'x-nvidia-cert-ocsp-status': 'revoked' },
        { ...good, 'x-nvidia-cert-ocsp-status': 'unknown' },
        { ...good, 'x-nvidia-cert-revocation-reason': 'certificateHold' },
      ])
        expect(await refusal({ device: { [name]: value } })).toBe('evidence_nras_refused');
  });
  it('evidence_nras_keys_absent, evidence_nras_malformed: keys that are none', async () => {
    expect(await refusal({}, { keys: undefined })).toBe('evidence_nras_keys_absent');
    for (const keys of ['{}', '[]', '{"keys":{}}', 'x', '{"keys":[],"keys":[]}'])
      expect(await refusal({}, { keys: toUtf8(keys) })).toBe('evidence_nras_malformed');
    expect(await refusal({}, { keys: nrasKeys({ x: 'A'.repeat(64) }) })).toBe('evidence_nras_malformed');
    expect(await refusal({}, { keys: nrasKeys({ crv: 'P-256' }) })).toBe('evidence_nras_key_unknown');
    expect(await refusal({}, { keys: nrasKeys({ kid: 7 }) })).toBe('evidence_nras_malformed');
    const twice = fromUtf8(nrasKeys())
      .replace('"kid":"other"', '"kid":"x"')
      .replace(/(\{"kty":"EC".*\})\]\}$/, '$1,$1]}');
    expect(await refusal({}, { keys: toUtf8(twice) })).toBe('evidence_nras_malformed');
    expect(await refusal({}, { keys: new Uint8Array(512 * 1024 + 1) })).toBe('evidence_too_large');
  });
  it('evidence_algorithm_unsupported, evidence_nras_malformed: another algorithm, or none', async () => {
    const es256 = { signer: p256, header: { alg: 'ES256' } };
    // ECDSA P-256 signatures have another length, so that the form is refused first.
    expect(await refusal(es256)).toBe('evidence_nras_malformed');
    const answer = JSON.parse(fromUtf8(await makeNras())) as [[string, string], Record<string, string>];
    for (const [header, code] of [
      [{ alg: 'HS384', kid: 'nv-eat-kid-test' }, 'evidence_algorithm_unsupported'],
      [{ alg: 'none', kid: 'nv-eat-kid-test' }, 'evidence_algorithm_unsupported'],
      [{ alg: 'ES384' }, 'evidence_nras_key_unknown'],
      [{ alg: 'ES384', kid: 'nv-eat-kid-test', crit: ['exp'], exp: 1 }, 'evidence_nras_malformed'],
      [{}, 'evidence_nras_malformed'],
    ] as const) {
      const [, payload, signature] = answer[0][1].split('.');
      const token = [Buffer.from(JSON.stringify(header)).toString('base64url'), payload, signature].join('.');
      const changed = toUtf8(JSON.stringify([['JWT', token], answer[1]]));
      expect((await open(changed)).code).toBe(code);
    }
  });
  it('evidence_nras_malformed, evidence_too_large: another form of answer', async () => {
    const sound = fromUtf8(await makeNras());
    for (const answer of [
      '',
      '[]',
      '{}',
      '[["JWT","x"],{}]',
      `${sound}x`,
      sound.replace('"JWT"', '"JWS"'),
      sound.replace('GPU-0', 'GPU-x'),
      sound.replace('}]', '},1]'),
    ])
      expect((await open(toUtf8(answer))).code).toBe('evidence_nras_malformed');
    expect((await open(new Uint8Array(128 * 1024 + 1))).code).toBe('evidence_too_large');
  });
  it('with any bit turned is refused', async () => {
    const answer = await makeNras();
    for (let bit = 0; bit < answer.length * 8; bit += 61) {
      const { code } = await open(flipBit(answer, bit));
      expect(code).toMatch(/^evidence_/);
    }
  });
});

const wanted: GpuReferenceValue = {
  vendor: 'nvidia',
  architecture: 'hopper',
  count: 1,
  evidence: 'nras',
  minimum_driver: '550.90.07',
  minimum_vbios: '96.00.9F.00.01',
  golden_drivers: [],
  golden_vbioses: [],
  device_ids: 'any',
  revocation: 'required',
};

async function violations(
  changes: NrasChanges,
  expectations: Partial<GpuReferenceValue> = {},
): Promise<readonly string[]> {
  const { verdict } = await open(await makeNras(changes));
  if (!verdict) throw new Error('not genuine');
  const log = new StepLog();
  const devices = { gpus: [], verdict, named: ['nras'], assurance: 'hardware', notAfter: undefined } as const;
  judgeGpus(log, devices, { ...wanted, ...expectations });
  return log.violations.map(({ code }) => code);
}

describe('a genuine verdict against a manifest', () => {
  it('passes when it is what the manifest names', async () => {
    expect(await violations({})).toEqual([]);
    expect(
      await violations({ devices: [soundDevice('3.0', '1'), soundDevice('3.0', '2')] }, { count: 2 }),
    ).toEqual([]);
    expect(await violations({ device: { 'x-nvidia-attestation-warning': 'old' } })).toEqual([]);
  });
  const cases: readonly (readonly [string, NrasChanges, Partial<GpuReferenceValue>, readonly string[]])[] = [
    ['debugging enabled', { device: { dbgstat: 'enabled' } }, {}, ['policy_gpu_debug']],
    ['no secure boot', { device: { secboot: false } }, {}, ['policy_gpu_debug']],
    ['secure boot as a text', { device: { secboot: 'true' } }, {}, ['policy_gpu_debug']],
    ['one of two', {}, { count: 2 }, ['policy_gpu_count']],
    [
      'the same device twice',
      { devices: [soundDevice('3.0'), soundDevice('3.0')] },
      { count: 2 },
      ['policy_gpu_count'],
    ],
    ['an old driver', {}, { minimum_driver: '560.0' }, ['policy_gpu_driver']],
    ['no driver', { device: { 'x-nvidia-gpu-driver-version': undefined } }, {}, ['policy_gpu_driver']],
    ['an old VBIOS', {}, { minimum_vbios: '96.00.A0.00.00' }, ['policy_gpu_vbios']],
    ['another architecture', { device: { hwmodel: 'GB100 A01' } }, {}, ['policy_gpu_architecture']],
    ['an unknown device', {}, { device_ids: ['7'] }, ['policy_gpu_id']],
    ['version 2.0, which does not tell of OCSP', { version: '2.0' }, {}, ['policy_gpu_revocation']],
    ['no reports where they are wanted', {}, { evidence: 'both' }, ['policy_gpu_absent', 'policy_gpu_count']],
  ];
  for (const [what, changes, expectations, codes] of cases)
    it(`${codes.join(', ')}: ${what}`, async () => {
      expect(await violations(changes, expectations)).toEqual(codes);
    });
});
