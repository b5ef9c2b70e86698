import { describe, expect, it } from 'vitest';
import { concat } from '../../../shared/bytes/concat.ts';
import { nobleCrypto } from '../../../shared/verifier/noble-crypto.ts';
import { PINNED_ROOTS } from '../../../shared/verifier/roots/amd.ts';
import { StepLog, StoppedVerification } from '../../../shared/verifier/step.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { type GenuineTdx, verifyTdxEvidence } from '../../../shared/verifier/verify-tdx-evidence.ts';
import { pckExtension, usage } from './tdx-authority.ts';
import {
  keys,
  soundPck,
  soundReport,
  soundTcbInfo,
  type TdxChanges,
  tdxEvidence,
  tdxNow,
  tdxRoots,
} from './tdx-platform.ts';

const trust = { roots: tdxRoots, hardware: true };
const DAY = 86_400_000;
const day = (days: number): Date => new Date(tdxNow.getTime() + days * DAY);

async function verify(changes: TdxChanges | ReturnType<typeof tdxEvidence>, at = tdxNow, by = trust) {
  const evidence = 'quote' in changes ? changes : tdxEvidence(changes);
  const log = new StepLog();
  let genuine: GenuineTdx | undefined;
  try {
    genuine = await verifyTdxEvidence(log, evidence, by, at, webCrypto);
  } catch (error) {
    if (!(error instanceof StoppedVerification)) throw error;
  }
  return { genuine, log };
}

async function refusal(...given: Parameters<typeof verify>): Promise<string> {
  const { genuine, log } = await verify(...given);
  if (genuine) return 'accepted';
  const [violation, ...more] = log.violations;
  expect(more).toEqual([]);
  // A cryptographic failure ends the verification: it is the last step.
  expect(log.steps.at(-1)?.code).toBe(violation?.code);
  return `${violation?.step}: ${violation?.code}`;
}

describe('a sound platform', () => {
  it('is accepted in versions 4 and 5, by both providers', async () => {
    for (const changes of [{}, { version: 5, bodyType: 2 }, { version: 5, bodyType: 3 }] as const)
      for (const crypto of [webCrypto, nobleCrypto]) {
        const log = new StepLog();
        const genuine = await verifyTdxEvidence(log, tdxEvidence(changes), trust, tdxNow, crypto);
        expect(genuine.tcb.status).toBe('UpToDate');
        expect(genuine.quote.report.reportData).toEqual(soundReport.reportData);
        expect(log.violations).toEqual([]);
      }
  });
  it('takes its steps in Intel’s order', async () => {
    const { log } = await verify({});
    expect(log.steps.map(({ name }) => name.slice('tdx.'.length))).toEqual([
      'quote-form',
      'certificates',
      'root',
      'chain-profile',
      'chain',
      'validity',
      'root-crl-form',
      'root-crl',
      'root-crl-validity',
      'pck-crl-form',
      'pck-crl',
      'pck-crl-validity',
      'revocation',
      'tcb-info-signer',
      'tcb-info-signature',
      'tcb-info-form',
      'tcb-info-validity',
      'tcb-info-platform',
      'qe-identity-signer',
      'qe-identity-signature',
      'qe-identity-form',
      'qe-identity-validity',
      'qe-report-signature',
      'qe-binding',
      'qe-identity',
      'quote-signature',
      'module',
    ]);
  });
  it('ends with the first of all that endorses it', async () => {
    const end = async (changes: TdxChanges) => (await verify(changes)).genuine?.notAfter;
    expect(await end({})).toEqual(day(29));
    expect(await end({ rootCrl: { nextUpdate: day(3) } })).toEqual(day(3));
    expect(await end({ pckCrl: { nextUpdate: day(4) } })).toEqual(day(4));
    expect(await end({ signer: { notAfter: day(5) } })).toEqual(day(5));
    for (const name of ['tcbInfo', 'qeIdentity'])
      expect(await end({ [name]: { nextUpdate: '2026-11-25T12:00:00Z' } })).toEqual(day(2));
    for (const name of ['pck', 'ca', 'root'])
      expect(await end({ [name]: { notAfter: day(6) } })).toEqual(day(6));
  });
  it('may have zeros behind its quote, and the order of Intel’s extensions is free', async () => {
    expect(await refusal({ trailing: new Uint8Array(70) })).toBe('accepted');
    const extensions = [...usage('leaf'), pckExtension(soundPck, (parts) => parts.toReversed())];
    expect(await refusal({ pck: { extensions } })).toBe('accepted');
  });
});

describe('chain', () => {
  const cases: readonly (readonly [string, TdxChanges, string])[] = [
    [
      'root of another key',
      { root: { key: keys.stranger, signer: keys.stranger } },
      'tdx.root: evidence_root_unknown',
    ],
    ['root not signed by itself', { root: { signer: keys.stranger } }, 'tdx.chain: evidence_chain_signature'],
    ['CA of another signer', { ca: { signer: keys.stranger } }, 'tdx.chain: evidence_chain_signature'],
    ['PCK of another signer', { pck: { signer: keys.stranger } }, 'tdx.chain: evidence_chain_signature'],
    [
      'root of another name',
      { root: { issuer: 'Root', subject: 'Root' } },
      'tdx.chain-profile: evidence_chain_profile',
    ],
    ['root issued by another', { root: { issuer: 'Root' } }, 'tdx.chain-profile: evidence_chain_profile'],
    [
      'CA of another name',
      { ca: { subject: 'Intel SGX PCK CA' } },
      'tdx.chain-profile: evidence_chain_profile',
    ],
    ['CA issued by another', { ca: { issuer: 'Root' } }, 'tdx.chain-profile: evidence_chain_profile'],
    [
      'CA without the CA flag',
      { ca: { extensions: usage('leaf') } },
      'tdx.chain-profile: evidence_chain_profile',
    ],
    [
      'CA above CAs',
      { ca: { extensions: usage('authority', 1) } },
      'tdx.chain-profile: evidence_chain_profile',
    ],
    [
      'root above leaves only',
      { root: { extensions: usage('authority', 0) } },
      'tdx.chain-profile: evidence_chain_profile',
    ],
    [
      'PCK of another name',
      { pck: { subject: 'Intel SGX TCB Signing' } },
      'tdx.chain-profile: evidence_chain_profile',
    ],
    [
      'PCK issued by another',
      { pck: { issuer: 'Intel SGX PCK Processor CA' } },
      'tdx.chain-profile: evidence_chain_profile',
    ],
    [
      'PCK that is a CA',
      { pck: { extensions: [...usage('authority'), pckExtension(soundPck)] } },
      'tdx.chain-profile: evidence_chain_profile',
    ],
    [
      'PCK without Intel’s extension',
      { pck: { extensions: usage('leaf') } },
      'tdx.certificates: evidence_certificate_malformed',
    ],
    ['no PEM', { chain: 'none' }, 'tdx.certificates: evidence_certificate_malformed'],
    ['root too early', { root: { notBefore: day(1) } }, 'tdx.validity: evidence_certificate_not_valid_now'],
    ['CA expired', { ca: { notAfter: day(-1) } }, 'tdx.validity: evidence_certificate_not_valid_now'],
    ['PCK expired', { pck: { notAfter: day(-1) } }, 'tdx.validity: evidence_certificate_not_valid_now'],
  ];
  for (const [name, changes, expected] of cases)
    it(`${name}: ${expected}`, async () => {
      expect(await refusal(changes)).toBe(expected);
    });
  it('only where the policy wants hardware, only under given roots', async () => {
    expect(await refusal({}, tdxNow, { roots: tdxRoots, hardware: false })).toBe(
      'tdx.root: policy_hardware_root',
    );
    expect(await refusal({}, tdxNow, { roots: PINNED_ROOTS, hardware: true })).toBe(
      'tdx.root: evidence_root_unknown',
    );
    expect(await refusal({}, tdxNow, { roots: { amd: [] }, hardware: true })).toBe(
      'tdx.root: evidence_root_unknown',
    );
  });
});

describe('revocation', () => {
  const cases: readonly (readonly [string, TdxChanges, string])[] = [
    ['revoked PCK', { pckCrl: { revokedSerials: [1, 0x300] } }, 'tdx.revocation: evidence_revoked'],
    ['revoked CA', { rootCrl: { revokedSerials: [0x200] } }, 'tdx.revocation: evidence_revoked'],
    ['revoked root', { rootCrl: { revokedSerials: [0x100] } }, 'tdx.revocation: evidence_revoked'],
    ['revoked TCB signer', { rootCrl: { revokedSerials: [0x400] } }, 'tdx.tcb-info-signer: evidence_revoked'],
    ['PCK list of another signer', { pckCrl: { signer: keys.root } }, 'tdx.pck-crl: evidence_crl_signature'],
    [
      'PCK list of the other CA',
      { pckCrl: { issuer: 'Intel SGX PCK Processor CA' } },
      'tdx.pck-crl: evidence_crl_signature',
    ],
    ['root list of another signer', { rootCrl: { signer: keys.ca } }, 'tdx.root-crl: evidence_crl_signature'],
    [
      'PCK list expired',
      { pckCrl: { nextUpdate: day(-0.5) } },
      'tdx.pck-crl-validity: evidence_crl_not_valid_now',
    ],
    [
      'PCK list too early',
      { pckCrl: { thisUpdate: day(1) } },
      'tdx.pck-crl-validity: evidence_crl_not_valid_now',
    ],
    [
      'root list expired',
      { rootCrl: { nextUpdate: day(-0.5) } },
      'tdx.root-crl-validity: evidence_crl_not_valid_now',
    ],
    [
      'root list too early',
      { rootCrl: { thisUpdate: day(1) } },
      'tdx.root-crl-validity: evidence_crl_not_valid_now',
    ],
  ];
  for (const [name, changes, expected] of cases)
    it(`${name}: ${expected}`, async () => {
      expect(await refusal(changes)).toBe(expected);
    });
  it('an absent, empty, cut or foreign list never counts as nothing revoked', async () => {
    const sound = tdxEvidence();
    for (const name of ['rootCrl', 'pckCrl'] as const) {
      const step = name === 'rootCrl' ? 'tdx.root-crl-form' : 'tdx.pck-crl-form';
      for (const list of [
        new Uint8Array(),
        sound[name].slice(0, -1),
        new Uint8Array(100),
        concat(sound[name], Uint8Array.of(0)),
      ])
        expect(await refusal({ ...sound, [name]: list })).toBe(`${step}: evidence_crl_malformed`);
    }
    expect(await refusal({ ...sound, pckCrl: sound.rootCrl })).toBe('tdx.pck-crl: evidence_crl_signature');
    expect(await refusal({ ...sound, rootCrl: sound.pckCrl })).toBe('tdx.root-crl: evidence_crl_signature');
    expect(await refusal({ ...sound, pckCrl: new Uint8Array(256 * 1024 + 1) })).toBe(
      'tdx.pck-crl-form: evidence_too_large',
    );
  });
});

describe('collateral', () => {
  const cases: readonly (readonly [string, TdxChanges, string])[] = [
    [
      'TCB info of another signer',
      { tcbInfoSigner: keys.stranger },
      'tdx.tcb-info-signature: evidence_collateral_signature',
    ],
    [
      'QE identity of another signer',
      { qeIdentitySigner: keys.stranger },
      'tdx.qe-identity-signature: evidence_collateral_signature',
    ],
    [
      'signer not Intel’s',
      { signer: { signer: keys.stranger } },
      'tdx.tcb-info-signer: evidence_chain_signature',
    ],
    [
      'signer of another name',
      { signer: { subject: 'Intel SGX PCK Certificate' } },
      'tdx.tcb-info-signer: evidence_chain_profile',
    ],
    [
      'signer issued by another',
      { signer: { issuer: 'Root' } },
      'tdx.tcb-info-signer: evidence_chain_profile',
    ],
    [
      'signer that is a CA',
      { signer: { extensions: usage('authority') } },
      'tdx.tcb-info-signer: evidence_chain_profile',
    ],
    [
      'signer expired',
      { signer: { notAfter: day(-1) } },
      'tdx.tcb-info-signer: evidence_certificate_not_valid_now',
    ],
    [
      'TCB info expired',
      { tcbInfo: { nextUpdate: '2026-11-23T11:59:59Z' } },
      'tdx.tcb-info-validity: evidence_collateral_not_valid_now',
    ],
    [
      'TCB info too early',
      { tcbInfo: { issueDate: '2026-11-23T12:00:01Z' } },
      'tdx.tcb-info-validity: evidence_collateral_not_valid_now',
    ],
    [
      'QE identity expired',
      { qeIdentity: { nextUpdate: '2026-11-23T11:59:59Z' } },
      'tdx.qe-identity-validity: evidence_collateral_not_valid_now',
    ],
    [
      'QE identity too early',
      { qeIdentity: { issueDate: '2026-11-23T12:00:01Z' } },
      'tdx.qe-identity-validity: evidence_collateral_not_valid_now',
    ],
    [
      'another FMSPC',
      { tcbInfo: { fmspc: '90C06F000001' } },
      'tdx.tcb-info-platform: evidence_collateral_mismatch',
    ],
    ['another PCE-ID', { tcbInfo: { pceId: '0001' } }, 'tdx.tcb-info-platform: evidence_collateral_mismatch'],
    ['TCB info of SGX', { tcbInfo: { id: 'SGX' } }, 'tdx.tcb-info-form: evidence_collateral_malformed'],
    [
      'TCB info of another version',
      { tcbInfo: { version: 2 } },
      'tdx.tcb-info-form: evidence_collateral_malformed',
    ],
    ['an unknown member', { tcbInfo: { more: 1 } }, 'tdx.tcb-info-form: evidence_collateral_malformed'],
    ['no levels', { tcbInfo: { tcbLevels: [] } }, 'tdx.tcb-info-form: evidence_collateral_malformed'],
    [
      'identity of another enclave',
      { qeIdentity: { id: 'QE' } },
      'tdx.qe-identity-form: evidence_collateral_malformed',
    ],
    [
      'identity of another version',
      { qeIdentity: { version: 3 } },
      'tdx.qe-identity-form: evidence_collateral_malformed',
    ],
    [
      'a member twice',
      { tcbInfoText: JSON.stringify(soundTcbInfo).replace('"version":3', '"version":3,"version":3') },
      'tdx.tcb-info-form: evidence_collateral_malformed',
    ],
  ];
  for (const [name, changes, expected] of cases)
    it(`${name}: ${expected}`, async () => {
      expect(await refusal(changes)).toBe(expected);
    });
  it('may have two signers, each of which is judged', async () => {
    const older = tdxEvidence();
    const newer = tdxEvidence({ signer: { serial: 0x401 } });
    expect(await refusal({ ...older, qeIdentity: newer.qeIdentity })).toBe('accepted');
    const { rootCrl } = tdxEvidence({ rootCrl: { revokedSerials: [0x401] } });
    expect(await refusal({ ...older, rootCrl, qeIdentity: newer.qeIdentity })).toBe(
      'tdx.qe-identity-signer: evidence_revoked',
    );
    const { qeIdentity } = tdxEvidence({ signer: { notAfter: day(-1) } });
    expect(await refusal({ ...older, qeIdentity })).toBe(
      'tdx.qe-identity-signer: evidence_certificate_not_valid_now',
    );
  });
  it('is signed as text: the same JSON in other words is another document', async () => {
    const sound = tdxEvidence();
    const document = concat(sound.tcbInfo.document, Uint8Array.of(0x20));
    expect(await refusal({ ...sound, tcbInfo: { ...sound.tcbInfo, document } })).toBe(
      'tdx.tcb-info-signature: evidence_collateral_signature',
    );
    expect(await refusal({ ...sound, tcbInfo: sound.qeIdentity })).toBe(
      'tdx.tcb-info-form: evidence_collateral_malformed',
    );
    expect(await refusal({ ...sound, qeIdentity: { ...sound.qeIdentity, signer: sound.quote } })).toBe(
      'tdx.qe-identity-signer: evidence_certificate_malformed',
    );
  });
});

describe('quote', () => {
  const cases: readonly (readonly [string, TdxChanges, string])[] = [
    [
      'QE report of another signer',
      { qeReportSigner: keys.stranger },
      'tdx.qe-report-signature: evidence_qe_report_signature',
    ],
    [
      'an attestation key of one’s own',
      { attestationKey: keys.stranger },
      'tdx.qe-binding: evidence_qe_binding',
    ],
    [
      'report data with something behind the hash',
      { qe: { reportData: new Uint8Array(64).fill(1) } },
      'tdx.qe-binding: evidence_qe_binding',
    ],
    [
      'quote of another signer',
      { quoteSigner: keys.stranger },
      'tdx.quote-signature: evidence_quote_signature',
    ],
    [
      'enclave of another signer',
      { qe: { mrSigner: new Uint8Array(32) } },
      'tdx.qe-identity: evidence_qe_identity',
    ],
    ['another product', { qe: { isvProdId: 1 } }, 'tdx.qe-identity: evidence_qe_identity'],
    ['another MISCSELECT', { qe: { miscSelect: 1 } }, 'tdx.qe-identity: evidence_qe_identity'],
    [
      'a debuggable enclave',
      { qe: { attributes: Uint8Array.of(0x13, ...new Array<number>(15).fill(0)) } },
      'tdx.qe-identity: evidence_qe_identity',
    ],
    [
      'a module of another signer',
      { report: { mrSignerSeam: new Uint8Array(48).fill(1) } },
      'tdx.module: evidence_tdx_module',
    ],
    [
      'a module with attributes',
      { report: { seamAttributes: new Uint8Array(8).fill(1) } },
      'tdx.module: evidence_tdx_module',
    ],
    [
      'a module that Intel does not list',
      { report: { teeTcbSvn: Uint8Array.of(6, 2, 3, ...new Array<number>(13).fill(0)) } },
      'tdx.module: evidence_tdx_module',
    ],
    [
      'no list of modules',
      { tcbInfo: { tdxModuleIdentities: undefined } },
      'tdx.module: evidence_tdx_module',
    ],
  ];
  for (const version of [4, 5] as const)
    for (const [name, changes, expected] of cases)
      it(`version ${version}, ${name}: ${expected}`, async () => {
        expect(await refusal({ version, ...changes })).toBe(expected);
      });
  it('the identity’s mask leaves out the bits that platforms differ in', async () => {
    const attributes = Uint8Array.of(
      0x11,
      ...new Array<number>(7).fill(0),
      ...new Array<number>(8).fill(0xff),
    );
    expect(await refusal({ qe: { attributes } })).toBe('accepted');
  });
  it('modules of major version 0 are judged with the platform', async () => {
    const teeTcbSvn = Uint8Array.of(5, 0, 3, ...new Array<number>(13).fill(0));
    const { genuine } = await verify({ report: { teeTcbSvn }, tcbInfo: { tdxModuleIdentities: undefined } });
    expect(genuine?.tcb).toMatchObject({ status: 'UpToDate', module: undefined });
  });
  it('authentication data of any length is bound', async () => {
    for (const length of [0, 1, 200])
      expect(await refusal({ authenticationData: new Uint8Array(length) })).toBe('accepted');
  });
});
