// SEV-SNP for every product and both kinds of key, most of which nobody captured: each passes, and each thing wrong with it is refused.

import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bitString, boolean, integer, sequence } from '../../../backend/tee/simulated/der-writer.ts';
import { authorityExtensions, extension } from '../../../backend/tee/simulated/make-certificate.ts';
import { concat } from '../../../shared/bytes/concat.ts';
import type { SnpEvidence } from '../../../shared/evidence/bundle.ts';
import type { SnpProduct } from '../../../shared/evidence/tcb.ts';
import { StepLog, StoppedVerification } from '../../../shared/verifier/step.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { type GenuineSnp, verifySnpEvidence } from '../../../shared/verifier/verify-snp-evidence.ts';
import { now, testPlatform } from '../../backend/tee/simulated-node.ts';
import { CPU, day, generatedSnp, rootsFor, type SnpChanges, tcbOf } from './generated-snp.ts';

async function verify(
  evidence: SnpEvidence,
  product: SnpProduct = 'Genoa',
  at = now,
): Promise<GenuineSnp | string> {
  const log = new StepLog();
  const trust = { roots: await rootsFor(product), hardware: true, simulated: [] };
  try {
    return await verifySnpEvidence(log, evidence, trust, at, webCrypto);
  } catch (error) {
    if (!(error instanceof StoppedVerification)) throw error;
    const [first] = log.violations;
    return `${first?.step}: ${first?.code}`;
  }
}
const refusal = async (changes: SnpChanges, at = now) =>
  verify(await generatedSnp(changes), changes.product ?? 'Genoa', at);

const PRODUCTS = ['Milan', 'Genoa', 'Turin'] as const;
const KINDS = ['vcek', 'vlek'] as const;
const EVERY = PRODUCTS.flatMap((product) => KINDS.map((kind) => ({ product, kind })));

describe.each(EVERY)('$product, $kind', ({ product, kind }) => {
  const refused = (changes: SnpChanges) => refusal({ product, kind, ...changes });

  it('is verified', async () => {
    const genuine = await verify(await generatedSnp({ product, kind }), product);
    expect(genuine).toMatchObject({
      chipMasked: kind === 'vlek',
      tcbs: { reported: tcbOf(product), launch: tcbOf(product) },
      chain: { product, assurance: 'hardware', extensions: { holder: { kind } } },
    });
  });
  it('ends with the first of what it relies on', async () => {
    const endOf = async (changes: SnpChanges) => {
      const genuine = await verify(await generatedSnp({ product, kind, ...changes }), product);
      return typeof genuine === 'string' ? genuine : genuine.notAfter;
    };
    const soon = { notBefore: day(-1), notAfter: day(2) };
    expect(await endOf({ leafDates: soon })).toEqual(day(2));
    expect(await endOf({ askDates: soon })).toEqual(day(2));
    expect(await endOf({ arkDates: soon })).toEqual(day(2));
    expect(await endOf({ crl: { nextUpdate: day(2) } })).toEqual(day(2));
  });
  it('is refused under the root of another product', async () => {
    const other = product === 'Turin' ? 'Genoa' : 'Turin';
    expect(await verify(await generatedSnp({ product, kind }), other)).toBe(
      'snp.chain-profile: evidence_chain_profile',
    );
  });
  it('is refused with a CPU of another product, and without one on Turin', async () => {
    const cpu = CPU[product === 'Turin' ? 'Genoa' : 'Turin'];
    expect(await refused({ cpu })).toBe('snp.product: evidence_product_mismatch');
    expect(await refused({ cpu: { family: 0x1a, model: 0x50, stepping: 0 } })).toBe(
      'snp.product: evidence_product_mismatch',
    );
    // Version 2 names no CPU. Its TCB can be read on Milan and Genoa, which share a layout.
    const without = await refused({ version: 2 });
    if (product === 'Turin') expect(without).toBe('snp.product: evidence_product_mismatch');
    else expect(without).toMatchObject({ chain: { product } });
  });
  it('is refused with a leaf for other firmware, by each component', async () => {
    const tcb = tcbOf(product);
    for (const name of [
      'bootLoader',
      'tee',
      'snp',
      'microcode',
      ...(product === 'Turin' ? ['fmc'] : []),
    ] as const)
      expect(await refused({ leafTcb: { ...tcb, [name]: 0x20 } })).toBe('snp.tcb: evidence_tcb_mismatch');
  });
  it('is refused when another key signed', async () => {
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
    expect(await refused({ reportSigner: stranger })).toBe('snp.report-signature: evidence_report_signature');
    const { keys } = await testPlatform();
    expect(await refused({ leafSigner: keys.ark })).toBe('snp.chain: evidence_chain_signature');
    expect(await refused({ askSigner: keys.ask })).toBe('snp.chain: evidence_chain_signature');
  });
  it('is refused when the other kind of key is said to have signed', async () => {
    expect(await refused({ keyInfo: kind === 'vcek' ? 4 : 0 })).toBe(
      'snp.signing-key: evidence_signing_key_kind',
    );
    expect(await refused({ keyInfo: 28 })).toBe('snp.signing-key: evidence_signing_key_kind');
    const evidence = await generatedSnp({ product, kind });
    const other = kind === 'vcek' ? 'vlek' : 'vcek';
    expect(await verify({ ...evidence, leaf: { ...evidence.leaf, kind: other } }, product)).toBe(
      'snp.chain-profile: evidence_chain_profile',
    );
    expect(await refused({ askName: kind === 'vcek' ? `SEV-VLEK-${product}` : `SEV-${product}` })).toBe(
      'snp.chain-profile: evidence_chain_profile',
    );
  });
});

describe('chips', () => {
  const chip = (length: number, octet: number) => new Uint8Array(length).fill(octet);
  it('are the certificate’s', async () => {
    expect(await refusal({ chipId: chip(64, 0x98) })).toBe('snp.chip: evidence_chip_mismatch');
    expect(await refusal({ product: 'Turin', hwId: chip(8, 0x98) })).toBe('snp.chip: evidence_chip_mismatch');
    // The 56 octets behind Turin's eight must be zero.
    expect(await refusal({ product: 'Turin', chipId: chip(64, 0x99) })).toBe(
      'snp.chip: evidence_chip_mismatch',
    );
  });
  it('may be hidden by the host, which is then said', async () => {
    for (const product of PRODUCTS)
      expect(await refusal({ product, chipId: chip(64, 0) })).toMatchObject({ chipMasked: true });
  });
  it('are not named under a provider’s key', async () => {
    for (const product of PRODUCTS)
      expect(await refusal({ product, kind: 'vlek', chipId: chip(64, 1) })).toBe(
        'snp.chip: evidence_chip_mismatch',
      );
  });
  it('have the structure of their product', async () => {
    expect(await refusal({ structVersion: 1, hwId: chip(8, 0x99) })).toBe(
      'snp.product: evidence_product_mismatch',
    );
    expect(await refusal({ product: 'Turin', structVersion: 0, hwId: chip(64, 0x99) })).toBe(
      'snp.product: evidence_product_mismatch',
    );
  });
});

describe('the chain’s profile', () => {
  const refused = async (changes: SnpChanges) =>
    expect(await refusal(changes)).toBe('snp.chain-profile: evidence_chain_profile');
  const ca = (...parts: readonly ReturnType<typeof integer>[]) =>
    extension('2.5.29.19', true, sequence(...parts));
  const use = (bits: number, unused: number) =>
    extension('2.5.29.15', true, bitString(Uint8Array.of(bits), unused));

  it('names', async () => {
    await refused({ arkName: 'ARK-Milan' });
    await refused({ askName: 'SEV-Milan' });
    await refused({ leafName: 'SEV-VLEK' });
    const [one, other] = [await generatedSnp(), await generatedSnp({ product: 'Turin' })];
    for (const evidence of [
      { ...one, ask: other.ask },
      { ...one, ark: other.ark },
      { ...one, leaf: other.leaf },
    ])
      expect(await verify(evidence)).toBe('snp.chain-profile: evidence_chain_profile');
  });
  it('a root that may sign certificates and lists', async () => {
    await refused({ arkExtensions: [] });
    await refused({ arkExtensions: [use(0x06, 1)] });
    await refused({ arkExtensions: [ca(), use(0x06, 1)] });
    await refused({ arkExtensions: [ca(boolean(true)), use(0x04, 2)] });
    await refused({ arkExtensions: [ca(boolean(true)), use(0x02, 1)] });
    await refused({ arkExtensions: [ca(boolean(true))] });
  });
  it('an intermediate that may sign leaves and nothing else', async () => {
    await refused({ askExtensions: [] });
    await refused({ askExtensions: [use(0x04, 2)] });
    await refused({ askExtensions: [ca(boolean(true)), use(0x04, 2)] });
    await refused({ askExtensions: [ca(boolean(true), integer(1)), use(0x04, 2)] });
    await refused({ askExtensions: [ca(boolean(true), integer(0)), use(0x80, 7)] });
    await refused({ askExtensions: [ca(boolean(true), integer(0))] });
    await refused({ askExtensions: [ca(integer(0)), use(0x04, 2)] });
  });
  it('a leaf that may sign nothing', async () => {
    await refused({ leafExtensions: [...authorityExtensions('intermediate')] });
    expect(await refusal({ leafExtensions: [ca()] })).toMatchObject({ chipMasked: false });
  });
});

describe('dates', () => {
  it.each(['leafDates', 'askDates', 'arkDates'] as const)('%s hold on both of their ends', async (name) => {
    const dates = { notBefore: day(-0.5), notAfter: day(0.5) };
    const at = (days: number) => refusal({ [name]: dates }, day(days));
    expect(await at(-0.5)).toMatchObject({ chipMasked: false });
    expect(await at(0.5)).toMatchObject({ chipMasked: false });
    expect(await at(-0.51)).toBe('snp.validity: evidence_certificate_not_valid_now');
    expect(await at(0.51)).toBe('snp.validity: evidence_certificate_not_valid_now');
  });
});

describe.each(PRODUCTS)('the revocation list of %s', (product) => {
  const refused = (crl: NonNullable<SnpChanges['crl']>, at = now) => refusal({ product, crl }, at);
  it('is the root’s, current, and silent about the intermediate', async () => {
    const { keys } = await testPlatform();
    expect(await refused({ revokedSerials: [0x30001] })).toBe('snp.revocation: evidence_revoked');
    expect(await refused({ revokedSerials: [7, 0x30001, 8] })).toBe('snp.revocation: evidence_revoked');
    expect(await refused({ revokedSerials: [] })).toMatchObject({ chipMasked: false });
    expect(await refused({ signer: keys.ask })).toBe('snp.crl: evidence_crl_signature');
    expect(await refused({ issuer: 'ARK-Other' })).toBe('snp.crl: evidence_crl_signature');
    const dates = { thisUpdate: day(-0.5), nextUpdate: day(0.5) };
    expect(await refused(dates, day(-0.5))).toMatchObject({ chipMasked: false });
    expect(await refused(dates, day(0.5))).toMatchObject({ chipMasked: false });
    expect(await refused(dates, day(-0.51))).toBe('snp.crl-validity: evidence_crl_not_valid_now');
    expect(await refused(dates, day(0.51))).toBe('snp.crl-validity: evidence_crl_not_valid_now');
  });
  it('never means "nothing revoked" when it is absent, cut, foreign or something else', async () => {
    const evidence = await generatedSnp({ product });
    const with_ = (crl: Uint8Array<ArrayBuffer>) => verify({ ...evidence, crl }, product);
    const other = await generatedSnp({ product: product === 'Turin' ? 'Genoa' : 'Turin' });
    expect(await with_(other.crl)).toBe('snp.crl: evidence_crl_signature');
    for (const crl of [
      new Uint8Array(),
      sequence(),
      evidence.crl.subarray(0, -1),
      evidence.crl.subarray(0, 64),
      concat(evidence.crl, new Uint8Array(1)),
      evidence.ark,
      new TextEncoder().encode('-----BEGIN X509 CRL-----\n'),
    ])
      expect(await with_(crl)).toMatch(/^snp\.crl-form: evidence_(crl_malformed|algorithm_unsupported)$/);
    expect(await with_(new Uint8Array(256 * 1024 + 1))).toBe('snp.crl-form: evidence_too_large');
  });
});
