import { mkdtemp, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ENDORSEMENT_FILE, folderEndorsements } from '../../../backend/tee/folder-endorsements.ts';
import { linuxTsmFiles, requestTsmReport } from '../../../backend/tee/linux-tsm/request-tsm-report.ts';
import { makeLeaf } from '../../../backend/tee/simulated/leaf-certificate.ts';
import { SIMULATED_TCB } from '../../../backend/tee/simulated/platform.ts';
import { createSimulatedTee } from '../../../backend/tee/simulated/tee.ts';
import { createSnpDriver } from '../../../backend/tee/snp-driver.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import { encodeBundle } from '../../../shared/evidence/bundle.ts';
import { quoteDataOf, reportDataOf } from '../../../shared/evidence/node-statement.ts';
import { verifyBundle } from '../../../shared/verifier/verify-bundle.ts';
import { measurement, now, random, simulatedNode, testPlatform } from './simulated-node.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'endorsements-'));
  onTestFinished(() => rm(folder, { recursive: true }));
});
const put = (name: string, octets: Uint8Array) => writeFile(join(folder, name), octets);

async function putAll(): Promise<{
  report: Bytes;
  certificates: Awaited<ReturnType<typeof testPlatform>>['certificates'];
}> {
  const platform = await testPlatform();
  const { certificates } = platform;
  const { report } = await createSimulatedTee({ platform, measurement }).attest({
    reportData: new Uint8Array(64),
  });
  await put(ENDORSEMENT_FILE.vcek, certificates.vcek);
  await put(ENDORSEMENT_FILE.ask, certificates.ask);
  await put(ENDORSEMENT_FILE.ark, certificates.ark);
  await put(ENDORSEMENT_FILE.crl, certificates.crl);
  return { report, certificates };
}

describe('endorsements in a folder', () => {
  it('are given for the report that they fit', async () => {
    const { report, certificates } = await putAll();
    expect(await folderEndorsements(folder).forSnpReport(report, {})).toEqual({
      leaf: { kind: 'vcek', certificate: certificates.vcek },
      ask: certificates.ask,
      ark: certificates.ark,
      crl: certificates.crl,
    });
  });
  it('give way to the host’s certificate where only that fits the report', async () => {
    const { report, certificates } = await putAll();
    const { keys, chipId } = await testPlatform();
    const older = { ...SIMULATED_TCB, microcode: SIMULATED_TCB.microcode - 1 };
    const dates = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2030-01-01T00:00:00Z') };
    const stale = makeLeaf({ structVersion: 0, tcb: older, hwId: chipId, ...dates }, keys.chip, keys.ask);
    await put(ENDORSEMENT_FILE.vcek, stale);
    const source = folderEndorsements(folder);
    const offered = { leaf: { kind: 'vcek', certificate: certificates.vcek } } as const;
    expect((await source.forSnpReport(report, offered)).leaf.certificate).toEqual(certificates.vcek);
    const both = { leaf: { kind: 'vcek', certificate: stale } } as const;
    await expect(source.forSnpReport(report, both)).rejects.toMatchObject({
      code: 'tee_endorsements_unavailable',
      message: expect.stringMatching(/other firmware/),
    });
  });
  it.each([
    ['no leaf', ENDORSEMENT_FILE.vcek],
    ['no intermediate', ENDORSEMENT_FILE.ask],
    ['no root', ENDORSEMENT_FILE.ark],
    ['no list', ENDORSEMENT_FILE.crl],
  ])('are unavailable with %s', async (_, name) => {
    const { report } = await putAll();
    await unlink(join(folder, name));
    await expect(folderEndorsements(folder).forSnpReport(report, {})).rejects.toMatchObject({
      code: 'tee_endorsements_unavailable',
    });
  });
  it('are unavailable with a file over its bound', async () => {
    const { report } = await putAll();
    await put(ENDORSEMENT_FILE.crl, new Uint8Array(2 * 1024 * 1024));
    await expect(folderEndorsements(folder).forSnpReport(report, {})).rejects.toMatchObject({
      code: 'tee_endorsements_unavailable',
    });
  });

  it('are Intel’s documents cut into what is signed and its signature', async () => {
    const signature = 'ab'.repeat(64);
    await put(ENDORSEMENT_FILE.tcbInfo, toUtf8(`{"tcbInfo":{"id":"TDX"},"signature":"${signature}"}`));
    await put(
      ENDORSEMENT_FILE.qeIdentity,
      toUtf8(`{"enclaveIdentity":{"id":"TD_QE"},"signature":"${signature}"}`),
    );
    for (const name of [ENDORSEMENT_FILE.tcbSigner, ENDORSEMENT_FILE.pckCrl, ENDORSEMENT_FILE.rootCrl])
      await put(name, Uint8Array.of(1));
    const source = folderEndorsements(folder);
    const { tcbInfo, qeIdentity, rootCrl } = await source.forTdxQuote(new Uint8Array(1));
    expect(tcbInfo).toEqual({
      document: toUtf8('{"id":"TDX"}'),
      signature: new Uint8Array(64).fill(0xab),
      signer: Uint8Array.of(1),
    });
    expect(qeIdentity.document).toEqual(toUtf8('{"id":"TD_QE"}'));
    expect(rootCrl).toEqual(Uint8Array.of(1));
    await put(ENDORSEMENT_FILE.qeIdentity, toUtf8('{}'));
    await expect(source.forTdxQuote(new Uint8Array(1))).rejects.toMatchObject({
      code: 'evidence_collateral_malformed',
    });
  });
});

it('evidence read from a tree of files is accepted by the verifier', async () => {
  await putAll();
  const platform = await testPlatform();
  const tee = createSimulatedTee({ platform, measurement });
  const tree = await mkdtemp(join(tmpdir(), 'tsm-'));
  onTestFinished(() => rm(tree, { recursive: true }));
  const { parts, policy } = await simulatedNode();
  const { statement } = parts.node;
  const reportData = await reportDataOf(statement);
  const driver = createSnpDriver({
    endorsements: folderEndorsements(folder),
    requestReport: (data) =>
      requestTsmReport(data, {
        provider: 'sev_guest',
        random,
        folder: tree,
        files: {
          ...linuxTsmFiles,
          // Where a kernel lets a folder's attributes appear, this puts files recorded for the same question.
          async makeFolder(path) {
            await linuxTsmFiles.makeFolder(path);
            await writeFile(join(path, 'provider'), 'sev_guest\n');
            await writeFile(join(path, 'generation'), '1\n');
            await writeFile(join(path, 'inblob'), '');
            await writeFile(join(path, 'outblob'), (await tee.attest({ reportData: data })).report);
            await writeFile(join(path, 'auxblob'), toUtf8(''));
          },
          removeFolder: (path) => rm(path, { recursive: true }),
        },
      }),
  });
  const evidence = await driver.attest({ reportData, quoteData: await quoteDataOf(statement) });
  const bundle = encodeBundle({ ...parts, node: { ...parts.node, evidence: [evidence] } });
  const verification = await verifyBundle(bundle, policy, { now });
  expect(verification.ok ? 'accepted' : verification.failure.violations).toBe('accepted');
});
