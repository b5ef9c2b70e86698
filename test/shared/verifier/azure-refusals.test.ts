import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { createSimulatedTee } from '../../../backend/tee/simulated/tee.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { sha256 } from '../../../shared/bytes/digest.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import type { AzureSnpEvidence } from '../../../shared/evidence/azure-evidence.ts';
import { parseHclReport } from '../../../shared/evidence/azure-hcl-report.ts';
import { encodeBundle, parseBundle } from '../../../shared/evidence/bundle.ts';
import { quoteDataOf } from '../../../shared/evidence/node-statement.ts';
import { parseTpmQuote } from '../../../shared/evidence/tpm-quote.ts';
import type { AzureSnpReferenceValue } from '../../../shared/manifest/azure-reference-value.ts';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { measurement, now, simulatedNode, testPlatform } from '../../backend/tee/simulated-node.ts';
import { writeHcl, writeQuote } from './azure-fixture.ts';
import { flipBit } from './nvidia-fixture.ts';

const ak = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const pcr = (index: number): Bytes => new Uint8Array(32).fill(index + 1);
const wanted: AzureSnpReferenceValue = {
  tee: 'azure-sev-snp',
  report: simulatedReferenceValue([toHex(measurement)]),
  secure_boot: 'required',
  pcrs: [
    { index: 4, digests: ['00'.repeat(32), toHex(pcr(4))] },
    { index: 11, digests: [toHex(pcr(11))] },
  ],
};

interface Changes {
  readonly runtime?: (document: Record<string, unknown>) => Record<string, unknown>;
  /** Instead of the hash of the runtime data. */
  readonly reportData?: Bytes;
  readonly hcl?: (blob: Bytes) => Bytes;
  readonly extraData?: Bytes;
  readonly quote?: (message: Bytes) => Bytes;
  readonly signer?: KeyObject;
  readonly pcrs?: (values: readonly Bytes[]) => readonly Bytes[];
  readonly wanted?: Partial<AzureSnpReferenceValue>;
}

async function makeAzure(
  changes: Changes = {},
): Promise<{ readonly bundle: Bytes; readonly evidence: AzureSnpEvidence; readonly policy: never }> {
  const { parts, policy } = await simulatedNode({
    manifest: { reference_values: { worker: [{ ...wanted, ...changes.wanted }] } },
  });
  const platform = await testPlatform();
  const { n, e } = ak.export({ format: 'jwk' });
  const document = {
    keys: [{ kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e, n }],
    'vm-configuration': { 'console-enabled': false, 'secure-boot': true, 'tpm-enabled': true },
    'user-data': '00'.repeat(64),
  };
  const runtime = toUtf8(JSON.stringify(changes.runtime?.(document) ?? document));
  const reportData = changes.reportData ?? concat(await sha256(runtime), new Uint8Array(32));
  const snp = await createSimulatedTee({ platform, measurement }).attest({ reportData });
  const blob = writeHcl(snp.report, runtime);
  const hcl = changes.hcl?.(blob) ?? blob;
  const values = [4, 7, 11].map(pcr);
  const extraData = changes.extraData ?? (await quoteDataOf(parts.node.statement));
  const message = writeQuote(extraData, await sha256(concat(...values)));
  const signature = new Uint8Array(
    sign('sha256', message, { key: changes.signer ?? ak, padding: constants.RSA_PKCS1_PADDING }),
  );
  const evidence: AzureSnpEvidence = {
    kind: 'azure-sev-snp',
    hcl,
    quote: {
      message: changes.quote?.(message) ?? message,
      signature,
      pcrs: changes.pcrs?.(values) ?? values,
    },
    vcek: snp.leaf.certificate,
    ask: snp.ask,
    ark: snp.ark,
    crl: snp.crl,
  };
  const bundle = encodeBundle({ ...parts, node: { ...parts.node, evidence: [evidence] } });
  return { bundle, evidence, policy: policy as never };
}

async function codes(changes: Changes = {}): Promise<readonly string[]> {
  const { bundle, policy } = await makeAzure(changes);
  const verification = await verifyBundle(bundle, policy, { now });
  return verification.ok ? [] : verification.failure.violations.map(({ code }) => code);
}

const setWord =
  (offset: number, value: number) =>
  (blob: Bytes): Bytes => {
    const copy = concat(blob);
    new DataView(copy.buffer).setUint32(offset, value, true);
    return copy;
  };

describe('an Azure confidential VM', () => {
  it('is verified, and its bundle reads back as it was written', async () => {
    expect(await codes()).toEqual([]);
    const { bundle, evidence } = await makeAzure();
    expect(parseBundle(bundle).node.evidence).toEqual([evidence]);
  });

  const cases: readonly (readonly [string, Changes, readonly string[]])[] = [
    [
      'runtime data that the report is not over',
      { reportData: new Uint8Array(64) },
      ['evidence_runtime_data'],
    ],
    [
      'more in the report than the hash',
      { hcl: (blob) => blob, reportData: new Uint8Array(64).fill(1) },
      ['evidence_runtime_data'],
    ],
    ['a quote of another VM’s key', { signer: stranger }, ['evidence_tpm_quote_signature']],
    ['a quote for another statement', { extraData: new Uint8Array(32) }, ['evidence_binding']],
    ['a quote for nothing', { extraData: new Uint8Array() }, ['evidence_binding']],
    ['other registers', { pcrs: (all) => all.with(1, pcr(8)) }, ['evidence_pcr_digest']],
    ['registers in another order', { pcrs: (all) => all.toReversed() }, ['evidence_pcr_digest']],
    ['one register less', { pcrs: (all) => all.slice(1) }, ['evidence_pcr_digest']],
    [
      'an octet behind the quote',
      { quote: (message) => concat(message, Uint8Array.of(0)) },
      ['evidence_tpm_quote_malformed'],
    ],
    ['no HCL report', { hcl: setWord(0, 0) }, ['evidence_hcl_malformed']],
    ['another version', { hcl: setWord(4, 3) }, ['evidence_hcl_malformed']],
    ['another request', { hcl: setWord(12, 1) }, ['evidence_hcl_malformed']],
    ['a status', { hcl: setWord(16, 1) }, ['evidence_hcl_malformed']],
    ['another report size', { hcl: setWord(8, 1237) }, ['evidence_hcl_malformed']],
    ['another hash', { hcl: setWord(1228, 2) }, ['evidence_hcl_malformed']],
    ['an unknown TEE', { hcl: setWord(1224, 3) }, ['evidence_hcl_malformed']],
    ['something behind the data', { hcl: setWord(2596, 1) }, ['evidence_hcl_malformed']],
    [
      'a TDREPORT',
      {
        hcl: (blob) =>
          setWord(1224, 4)(concat(blob.subarray(0, 1056), new Uint8Array(160), blob.subarray(1216))),
      },
      ['evidence_kind_unsupported'],
    ],
    ['no keys', { runtime: ({ keys: _, ...rest }) => rest }, ['evidence_hcl_malformed']],
    [
      'two attestation keys',
      { runtime: (all) => ({ ...all, keys: [...(all.keys as []), ...(all.keys as [])] }) },
      ['evidence_hcl_malformed'],
    ],
    [
      'a key for another use',
      {
        runtime: (all) => ({
          ...all,
          keys: (all.keys as object[]).map((key) => ({ ...key, key_ops: ['encrypt'] })),
        }),
      },
      ['evidence_hcl_malformed'],
    ],
    [
      'a short key',
      { runtime: (all) => ({ ...all, keys: (all.keys as object[]).map((key) => ({ ...key, n: 'gAAA' })) }) },
      ['evidence_hcl_malformed'],
    ],
    ['no user data', { runtime: (all) => ({ ...all, 'user-data': '' }) }, ['evidence_hcl_malformed']],
    [
      'secure boot off',
      { runtime: (all) => ({ ...all, 'vm-configuration': { 'secure-boot': false } }) },
      ['policy_secure_boot'],
    ],
    ['another guest', { wanted: { pcrs: [{ index: 4, digests: ['00'.repeat(32)] }] } }, ['policy_pcrs']],
    [
      'a register that was not quoted',
      { wanted: { pcrs: [{ index: 5, digests: ['00'.repeat(32)] }] } },
      ['policy_pcrs'],
    ],
    [
      'another paravisor',
      { wanted: { report: simulatedReferenceValue(['00'.repeat(48)]) } },
      ['policy_measurement'],
    ],
  ];
  for (const [what, changes, expected] of cases)
    it(`${expected.join(', ')}: ${what}`, async () => {
      expect(await codes(changes)).toEqual(expected);
    });

  it('policy_tee: where the manifest names another kind of processor', async () => {
    const { parts, policy } = await simulatedNode({ manifest: { reference_values: { worker: [wanted] } } });
    const verification = await verifyBundle(encodeBundle(parts), policy, { now });
    expect(verification.ok ? [] : verification.failure.violations.map(({ code }) => code)).toEqual([
      'policy_tee',
    ]);
  });
  it('with any bit of blob, quote, signature or register turned is refused', async () => {
    const { evidence, bundle, policy } = await makeAzure();
    const parts = parseBundle(bundle);
    const { quote } = evidence;
    const variants: AzureSnpEvidence[] = [];
    const every = (octets: Bytes, stride: number, put: (flipped: Bytes) => AzureSnpEvidence) => {
      for (let bit = 0; bit < octets.length * 8; bit += stride) variants.push(put(flipBit(octets, bit)));
    };
    every(evidence.hcl, 151, (hcl) => ({ ...evidence, hcl }));
    every(quote.message, 11, (message) => ({ ...evidence, quote: { ...quote, message } }));
    every(quote.signature, 61, (signature) => ({ ...evidence, quote: { ...quote, signature } }));
    every(quote.pcrs[1] as Bytes, 13, (value) => ({
      ...evidence,
      quote: { ...quote, pcrs: quote.pcrs.with(1, value) },
    }));
    for (const variant of variants) {
      const changed = encodeBundle({ ...parts, node: { ...parts.node, evidence: [variant] } });
      const verification = await verifyBundle(changed, policy, { now });
      expect(verification.ok ? 'accepted' : verification.failure.code).toMatch(/^evidence_/);
    }
    expect(variants.length).toBeGreaterThan(200);
  });
  it('evidence_hcl_malformed, evidence_tpm_quote_malformed, evidence_too_large: cut anywhere', async () => {
    const { evidence } = await makeAzure();
    for (let length = 0; length < 1500; length += 31)
      expect(() => parseHclReport(evidence.hcl.subarray(0, length))).toThrow('evidence_hcl_malformed');
    for (let length = 0; length < evidence.quote.message.length; length++)
      expect(() => parseTpmQuote(evidence.quote.message.subarray(0, length))).toThrow(
        'evidence_tpm_quote_malformed',
      );
    expect(() => parseHclReport(new Uint8Array(8 * 1024 + 1))).toThrow('evidence_too_large');
    expect(() => parseTpmQuote(new Uint8Array(1025))).toThrow('evidence_too_large');
  });
});
