import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ATTESTATION_KEY_HANDLE,
  createAzureDriver,
  HCL_NV_INDEX,
  QUOTED_REGISTERS,
} from '../../../backend/tee/azure/azure-driver.ts';
import { openInstanceMetadata } from '../../../backend/tee/azure/instance-metadata.ts';
import { openTpm } from '../../../backend/tee/azure/open-tpm.ts';
import { quote, readNvIndex, readRegisters, type Tpm } from '../../../backend/tee/azure/tpm-command.ts';
import type { EndorsementSource } from '../../../backend/tee/endorsement-source.ts';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { createSimulatedTee } from '../../../backend/tee/simulated/tee.ts';
import { toBase64, toBase64url } from '../../../shared/bytes/base64url.ts';
import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { sha256 } from '../../../shared/bytes/digest.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { encodeBundle } from '../../../shared/evidence/bundle.ts';
import { quoteDataOf, reportDataOf } from '../../../shared/evidence/node-statement.ts';
import { parseTpmQuote } from '../../../shared/evidence/tpm-quote.ts';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { haveSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from '../../harness/software-tpm.ts';
import { writeHcl } from '../../shared/verifier/azure-fixture.ts';
import { measurement, now, simulatedNode, testPlatform } from './simulated-node.ts';

const skipped = haveSoftwareTpm ? '' : ' (skipped: swtpm and tpm2-tools are not installed)';

describe.skipIf(!haveSoftwareTpm)(`a software TPM as Azure’s${skipped}`, () => {
  let machine: SoftwareTpm;
  let tpm: Tpm;
  let hcl: Bytes;
  beforeAll(async () => {
    machine = await startSoftwareTpm();
    const { n, e } = createPublicKey(machine.attestationKey).export({ format: 'jwk' });
    const runtime = toUtf8(
      JSON.stringify({
        keys: [{ kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e, n }],
        'vm-configuration': { 'console-enabled': false, 'secure-boot': true },
        'user-data': '00'.repeat(64),
      }),
    );
    const reportData = concat(await sha256(runtime), new Uint8Array(32));
    const snp = await createSimulatedTee({ platform: await testPlatform(), measurement }).attest({
      reportData,
    });
    // This TPM's indices end at 2048 octets, Azure's report has 2600 of which the last are zero.
    hcl = writeHcl(snp.report, runtime).subarray(0, 1236 + runtime.length);
    machine.writeIndex(HCL_NV_INDEX, hcl);
    machine.extend(4, '11'.repeat(32));
    tpm = await machine.connect();
  }, 60_000);
  afterAll(() => machine.stop());

  it('gives all octets of an index, in parts', async () => {
    expect(await readNvIndex(tpm, HCL_NV_INDEX)).toEqual(hcl);
  });
  it('refuses an index that is not there', async () => {
    await expect(readNvIndex(tpm, 0x01400009)).rejects.toMatchObject({ code: 'tee_refused' });
  });
  it('gives registers in ascending order, eight at a time', async () => {
    const values = await readRegisters(tpm, [...QUOTED_REGISTERS].reverse());
    expect(values.length).toBe(16);
    expect(toHex(values[0] as Bytes)).toBe('00'.repeat(32));
    expect(toHex(values[4] as Bytes)).toBe(
      toHex(await sha256(concat(new Uint8Array(32), new Uint8Array(32).fill(0x11)))),
    );
  });
  it('quotes registers for a question', async () => {
    const qualifyingData = new Uint8Array(32).fill(9);
    const { message } = await quote(tpm, { key: ATTESTATION_KEY_HANDLE, qualifyingData, registers: [0, 4] });
    const parsed = parseTpmQuote(message);
    expect(parsed.extraData).toEqual(qualifyingData);
    expect(parsed.selected).toEqual([0, 4]);
    expect(parsed.pcrDigest).toEqual(await sha256(concat(...(await readRegisters(tpm, [0, 4])))));
  });
  it('refuses a key that is not there', async () => {
    const request = { key: 0x81000009, qualifyingData: new Uint8Array(32), registers: [0] };
    await expect(quote(tpm, request)).rejects.toMatchObject({ code: 'tee_refused' });
  });

  it('makes evidence that the verifier accepts under a policy that names its root, and no other statement’s', async () => {
    const platform = await testPlatform();
    const registers = await readRegisters(tpm, [4, 7]);
    const { parts, policy } = await simulatedNode({
      manifest: {
        reference_values: {
          worker: [
            {
              tee: 'azure-sev-snp',
              report: simulatedReferenceValue([toHex(measurement)]),
              secure_boot: 'required',
              pcrs: [4, 7].map((index, at) => ({ index, digests: [toHex(registers[at] as Bytes)] })),
            },
          ],
        },
      },
    });
    const pem = (der: Bytes) =>
      `-----BEGIN CERTIFICATE-----\n${toBase64(der).replace(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n`;
    const { vcek, ask, ark, crl } = platform.certificates;
    const metadata = openInstanceMetadata(async (address, init) => {
      expect(String(address)).toBe('http://169.254.169.254/metadata/THIM/amd/certification');
      expect(new Headers(init?.headers).get('metadata')).toBe('true');
      return Response.json({
        vcekCert: pem(vcek),
        certificateChain: pem(ask) + pem(ark),
        tcbm: 'DB18000000000004',
      });
    });
    const endorsements: EndorsementSource = {
      forSnpReport: async (_, offered) => ({
        leaf: offered.leaf ?? { kind: 'vcek', certificate: new Uint8Array() },
        ask: offered.ask ?? new Uint8Array(),
        ark: offered.ark ?? new Uint8Array(),
        crl,
      }),
      forTdxQuote: () => Promise.reject(new Error('not asked for')),
    };
    const driver = createAzureDriver({ kind: 'azure-sev-snp', tpm, metadata, endorsements });
    const { statement } = parts.node;
    const evidence = await driver.attest({
      reportData: await reportDataOf(statement),
      quoteData: await quoteDataOf(statement),
    });
    const bundle = encodeBundle({ ...parts, node: { ...parts.node, evidence: [evidence] } });
    const verification = await verifyBundle(bundle, policy, { now });
    expect(verification.ok ? 'accepted' : verification.failure.violations).toBe('accepted');

    const foreign = await driver.attest({ reportData: new Uint8Array(64), quoteData: new Uint8Array(32) });
    const swapped = encodeBundle({ ...parts, node: { ...parts.node, evidence: [foreign] } });
    const refused = await verifyBundle(swapped, policy, { now });
    expect(refused.ok ? [] : refused.failure.violations.map(({ code }) => code)).toContain(
      'evidence_binding',
    );

    await expect(
      createAzureDriver({ kind: 'azure-tdx', tpm, metadata, endorsements }).attest({
        reportData: new Uint8Array(64),
        quoteData: new Uint8Array(32),
      }),
    ).rejects.toMatchObject({ code: 'tee_unavailable' });
  });
});

describe('a TPM that answers badly', () => {
  const header = (tag: number, size: number, code: number) =>
    Uint8Array.of(tag >> 8, tag & 255, 0, 0, size >> 8, size & 255, 0, 0, code >> 8, code & 255);
  it.each([
    ['nothing', new Uint8Array()],
    ['a length that is not its own', header(0x8001, 11, 0)],
    ['another tag', header(0x8002, 10, 0)],
    ['less than an index needs', concat(header(0x8001, 12, 0), Uint8Array.of(0, 0))],
  ])('is refused: %s', async (_, response) => {
    await expect(readNvIndex({ exchange: async () => response }, 1)).rejects.toMatchObject({
      code: 'tee_answer_malformed',
    });
  });
  it('is refused with its own code', async () => {
    const tpm = { exchange: async () => header(0x8001, 10, 0x18b) };
    await expect(readNvIndex(tpm, 1)).rejects.toMatchObject({
      code: 'tee_refused',
      message: expect.stringMatching(/0x18b/),
    });
  });
  it('is asked again while it is busy, and not for ever', async () => {
    let asked = 0;
    const tpm = { exchange: async () => header(0x8001, 10, ++asked < 3 ? 0x922 : 0x18b) };
    await expect(readNvIndex(tpm, 1)).rejects.toMatchObject({ code: 'tee_refused' });
    expect(asked).toBe(3);
    await expect(readNvIndex({ exchange: async () => header(0x8001, 10, 0x922) }, 1)).rejects.toMatchObject({
      code: 'tee_busy',
    });
  });
  it('is unavailable where there is no device', async () => {
    await expect(openTpm('/dev/no-tpm')).rejects.toMatchObject({ code: 'tee_unavailable' });
  });
});

describe('Azure’s instance metadata service', () => {
  const answer = (response: Response | Error) =>
    openInstanceMetadata(async () => {
      if (response instanceof Error) throw response;
      return response;
    });
  it('gives a quote over a TD report', async () => {
    const asked: unknown[] = [];
    const metadata = openInstanceMetadata(async (address, init) => {
      asked.push(String(address), JSON.parse(String(init?.body)));
      return Response.json({ quote: toBase64url(Uint8Array.of(4, 5, 6)) });
    });
    expect(await metadata.quote(Uint8Array.of(1, 2, 3))).toEqual(Uint8Array.of(4, 5, 6));
    expect(asked).toEqual(['http://169.254.169.254/acc/tdquote', { report: 'AQID' }]);
  });
  it.each([
    ['silence', new Error('timed out'), 'tee_endorsements_unavailable'],
    ['an error', new Response('no', { status: 500 }), 'tee_refused'],
    ['no JSON', new Response('no'), 'tee_answer_malformed'],
    ['no quote', Response.json({}), 'tee_answer_malformed'],
    ['a quote in no encoding', Response.json({ quote: '€' }), 'tee_answer_malformed'],
    ['a flood', new Response(new Uint8Array(64 * 1024 + 1)), 'tee_answer_malformed'],
  ])('is refused for %s', async (_, response, code) => {
    await expect(answer(response).quote(new Uint8Array(1024))).rejects.toMatchObject({ code });
  });
  it('is refused for certificates that are none', async () => {
    const document = { vcekCert: '-----BEGIN CERTIFICATE-----\nAA==\n', certificateChain: 'x' };
    await expect(answer(Response.json(document)).certificates()).rejects.toMatchObject({
      code: 'tee_answer_malformed',
    });
  });
});
