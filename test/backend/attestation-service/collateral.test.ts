// Vendors' services, played by a server on loopback with generated objects in the vendors' formats. Nobody's real service was asked.

import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CollateralCache } from '../../../backend/attestation-service/collateral/collateral-cache.ts';
import {
  CollateralFetcher,
  type CollateralOrder,
} from '../../../backend/attestation-service/collateral/collateral-fetcher.ts';
import { vendorEndorsements } from '../../../backend/attestation-service/collateral/vendor-endorsements.ts';
import type { EndorsementSource } from '../../../backend/tee/endorsement-source.ts';
import { createSimulatedTee } from '../../../backend/tee/simulated/tee.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import { toUtf8 } from '../../../shared/bytes/utf8.ts';
import type { SnpEvidence } from '../../../shared/evidence/bundle.ts';
import { parseCrl } from '../../../shared/evidence/crl.ts';
import { StepLog } from '../../../shared/verifier/step.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { verifyTdxEvidence } from '../../../shared/verifier/verify-tdx-evidence.ts';
import { haveVectors, readVector } from '../../harness/vectors.ts';
import { toPem } from '../../shared/verifier/tdx-authority.ts';
import { tdxEvidence, tdxNow, tdxRoots } from '../../shared/verifier/tdx-platform.ts';
import { measurement, random, now as start, testPlatform } from '../tee/simulated-node.ts';

type Play = (request: IncomingMessage, response: ServerResponse) => void;

const server = createServer((request, response) => {
  asked.push(request.url ?? '');
  play(request, response);
});
let origin: string;
let asked: string[] = [];
let play: Play;
let seconds = 0;
let slept: number[] = [];
let folder: string;
const now = () => new Date(start.getTime() + seconds * 1000);
const runtime = {
  fetch,
  now,
  sleep: async (milliseconds: number) => {
    slept.push(milliseconds / 1000);
  },
};
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));
beforeEach(async () => {
  asked = [];
  slept = [];
  seconds = 0;
  folder = await mkdtemp(join(tmpdir(), 'cloister-collateral-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const DAY = 86_400;
const text =
  (body: string | Uint8Array, headers: Record<string, string> = {}): Play =>
  (_, response) =>
    response.writeHead(200, headers).end(body);
const refuse =
  (status: number, headers: Record<string, string> = {}): Play =>
  (_, response) =>
    response.writeHead(status, headers).end('internal');

function fetcher(options: { folder?: string } = {}) {
  return new CollateralFetcher({ ...runtime, origins: [origin], cache: new CollateralCache(options.folder) });
}
const order = (over: Partial<CollateralOrder> = {}): CollateralOrder => ({
  url: `${origin}/list`,
  maximumBytes: 1000,
  validUntil: () => new Date(start.getTime() + 10 * DAY * 1000),
  refreshSeconds: 30 * DAY,
  ...over,
});
const bodyOf = async (served: Promise<{ body: Uint8Array }>) => new TextDecoder().decode((await served).body);

describe('a document', () => {
  test('is fetched once until its validity nears its end, and then anew', async () => {
    let count = 0;
    play = (request, response) => text(`list ${count++}`)(request, response);
    const one = fetcher();
    for (const [at, expected] of [
      [0, 'list 0'],
      [8 * DAY, 'list 0'],
      [9 * DAY, 'list 1'],
    ] as const) {
      seconds = at;
      expect(await bodyOf(one.get(order()))).toBe(expected);
    }
    expect(asked).toHaveLength(2);
  });

  test('is asked for again at the age at which it no longer knows enough', async () => {
    play = text('list');
    const one = fetcher();
    for (const at of [0, DAY - 1, DAY]) {
      seconds = at;
      await one.get(order({ refreshSeconds: DAY }));
    }
    expect(asked).toHaveLength(2);
  });

  test('is shared by those who ask for it at the same time', async () => {
    play = (_, response) => setTimeout(() => response.end('list'), 30);
    const one = fetcher();
    await Promise.all(Array.from({ length: 20 }, () => one.get(order())));
    expect(asked).toHaveLength(1);
  });

  test('outlives a restart on disk, and a damaged file counts as none', async () => {
    play = text('list', { 'x-chain': 'pem', 'x-other': 'no' });
    const kept = order({ headers: ['x-chain'] });
    await fetcher({ folder }).get(kept);
    expect((await fetcher({ folder }).get(kept)).headers).toEqual({ 'x-chain': 'pem' });
    expect(asked).toHaveLength(1);
    const [name = ''] = await readdir(folder);
    for (const damage of ['', '{', '{"url":"x"}', 'null']) {
      await writeFile(join(folder, name), damage);
      expect(await bodyOf(fetcher({ folder }).get(kept))).toBe('list');
    }
    expect(asked).toHaveLength(5);
    expect(await readdir(folder)).toHaveLength(1);
  });

  test('a disk that takes nothing is no reason to be without it', async () => {
    await writeFile(join(folder, 'file'), '');
    play = text('list');
    expect(await bodyOf(fetcher({ folder: join(folder, 'file') }).get(order()))).toBe('list');
  });
});

describe('an outage', () => {
  test('is bridged by what is still valid, and by nothing that is not', async () => {
    play = text('list');
    const one = fetcher();
    await one.get(order());
    play = refuse(500);
    seconds = 10 * DAY - 1;
    expect(await bodyOf(one.get(order()))).toBe('list');
    seconds = 10 * DAY;
    await expect(one.get(order())).rejects.toMatchObject({ code: 'collateral_unavailable' });
  });

  test('is waited out as the vendor says, then with longer waits, and not for ever', async () => {
    const answers = [refuse(429, { 'retry-after': '10' }), refuse(503), text('list')];
    play = (request, response) => answers.shift()?.(request, response);
    expect(await bodyOf(fetcher().get(order()))).toBe('list');
    expect(slept).toEqual([10, 2]);
    slept = [];
    asked = [];
    play = refuse(503);
    const one = fetcher();
    await expect(one.get(order())).rejects.toMatchObject({ status: 503 });
    expect(asked).toHaveLength(4);
    expect(slept).toEqual([1, 2, 4]);
  });

  test('leaves the vendor alone afterwards, for as long as it asked', async () => {
    play = refuse(429, { 'retry-after': '300' });
    const one = fetcher();
    await expect(one.get(order())).rejects.toMatchObject({ status: 429 });
    expect(asked).toHaveLength(1);
    play = text('list');
    seconds = 299;
    await expect(one.get(order({ url: `${origin}/other` }))).rejects.toMatchObject({ status: 0 });
    expect(asked).toHaveLength(1);
    seconds = 300;
    expect(await bodyOf(one.get(order()))).toBe('list');
  });

  test('that is no outage is not asked again: 404 says what it says', async () => {
    play = refuse(404);
    const one = fetcher();
    await expect(one.get(order())).rejects.toMatchObject({ status: 404 });
    expect(asked).toHaveLength(1);
    await expect(one.get(order())).rejects.toMatchObject({ status: 404 });
    expect(asked).toHaveLength(2);
  });

  test('nobody there is one too', async () => {
    const gone = 'http://127.0.0.1:9';
    const one = new CollateralFetcher({ ...runtime, origins: [gone], cache: new CollateralCache(undefined) });
    await expect(one.get(order({ url: `${gone}/x` }))).rejects.toMatchObject({ status: 0 });
    expect(slept).toEqual([1, 2, 4]);
  });
});

describe('an answer is not taken', () => {
  test('from an address that is not on the list, which is not asked', async () => {
    for (const url of ['https://elsewhere.example/list', `${origin.replace('127.0.0.1', 'localhost')}/list`])
      await expect(fetcher().get(order({ url }))).rejects.toThrow(RangeError);
    expect(asked).toEqual([]);
  });
  test('from an origin without TLS that is not loopback', () => {
    for (const each of ['http://kdsintf.amd.com', 'https://kdsintf.amd.com/path', 'ftp://x'])
      expect(
        () => new CollateralFetcher({ ...runtime, origins: [each], cache: new CollateralCache(undefined) }),
      ).toThrow(RangeError);
  });
  test('from where a redirect leads', async () => {
    for (const status of [301, 302, 307, 308]) {
      play = refuse(status, { location: `${origin}/elsewhere` });
      await expect(fetcher().get(order())).rejects.toMatchObject({ code: 'collateral_unavailable' });
    }
    expect(asked).not.toContain('/elsewhere');
  });
  test('beyond its bound', async () => {
    play = text('x'.repeat(1001));
    await expect(fetcher().get(order())).rejects.toMatchObject({ code: 'collateral_unavailable' });
    play = text('x'.repeat(1000));
    expect((await fetcher().get(order())).body).toHaveLength(1000);
  });
  test('that is something else, or has ended already; and it is not kept', async () => {
    play = text('<html>');
    const one = fetcher({ folder });
    const strange = order({
      validUntil: () => {
        throw new Error('not a list');
      },
    });
    await expect(one.get(strange)).rejects.toMatchObject({ code: 'collateral_unavailable' });
    await expect(one.get(order({ validUntil: () => now() }))).rejects.toMatchObject({
      code: 'collateral_unavailable',
    });
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('AMD', () => {
  let evidence: SnpEvidence;
  const nothing = {};
  const source = (): EndorsementSource =>
    vendorEndorsements({
      ...runtime,
      folder: undefined,
      origins: { amd: origin, intel: { service: origin, certificates: origin } },
    });
  beforeAll(async () => {
    const tee = createSimulatedTee({ platform: await testPlatform(), measurement });
    evidence = (await tee.attest({ reportData: random(64) })) as SnpEvidence;
  }, 60_000);
  beforeEach(() => {
    play = (request, response) => {
      const path = request.url ?? '';
      if (path.includes('cert_chain')) return text(toPem([evidence.ask, evidence.ark]))(request, response);
      if (path.endsWith('/crl')) return text(evidence.crl)(request, response);
      return text(evidence.leaf.certificate)(request, response);
    };
  });

  test('is asked for the chip and its firmware, the chain and the list, and the next report costs nothing', async () => {
    const vendor = source();
    const { leaf, ask, ark, crl } = evidence;
    expect(await vendor.forSnpReport(evidence.report, nothing)).toEqual({ leaf, ask, ark, crl });
    const chip = toHex(evidence.report.subarray(0x1a0, 0x1e0));
    expect(asked).toEqual([
      `/vcek/v1/Genoa/${chip}?blSPL=10&teeSPL=0&snpSPL=28&ucodeSPL=88`,
      '/vcek/v1/Genoa/cert_chain',
      '/vcek/v1/Genoa/crl',
    ]);
    await vendor.forSnpReport(evidence.report, nothing);
    expect(asked).toHaveLength(3);
    seconds = DAY;
    await vendor.forSnpReport(evidence.report, nothing);
    expect(asked.slice(3)).toEqual(['/vcek/v1/Genoa/crl']);
  });
  test('is not asked for a certificate that the host had, where it fits', async () => {
    await source().forSnpReport(evidence.report, { leaf: evidence.leaf });
    expect(asked).toEqual(['/vcek/v1/Genoa/cert_chain', '/vcek/v1/Genoa/crl']);
    asked = [];
    const tee = createSimulatedTee({
      platform: await testPlatform(),
      measurement,
      fault: 'other-firmware-key',
    });
    const stale = (await tee.attest({ reportData: random(64) })) as SnpEvidence;
    await source().forSnpReport(evidence.report, { leaf: stale.leaf });
    expect(asked[0]).toContain('/vcek/v1/Genoa/');
  });
  test('has nothing for a masked chip or a provider’s key', async () => {
    for (const fault of ['masked-chip', 'provider-key'] as const) {
      const tee = createSimulatedTee({ platform: await testPlatform(), measurement, fault });
      const { report } = (await tee.attest({ reportData: random(64) })) as SnpEvidence;
      await expect(source().forSnpReport(report, nothing)).rejects.toMatchObject({
        code: 'tee_endorsements_unavailable',
      });
    }
    expect(asked).toEqual([]);
  });
  test('that is down is a typed refusal', async () => {
    play = refuse(429);
    await expect(source().forSnpReport(evidence.report, nothing)).rejects.toMatchObject({
      code: 'tee_endorsements_unavailable',
    });
  });
  test('that serves an error page as a certificate is one too', async () => {
    play = text('<html></html>');
    await expect(source().forSnpReport(evidence.report, nothing)).rejects.toMatchObject({
      code: 'tee_endorsements_unavailable',
    });
  });
  test.skipIf(!haveVectors)(
    'serves lists whose own dates say how long they are kept (skipped without the vectors)',
    async () => {
      const captured = readVector('attestation/snp/crl-genoa/genoa.crl');
      const { thisUpdate, nextUpdate } = parseCrl(captured);
      seconds = (thisUpdate.getTime() - start.getTime()) / 1000 + DAY;
      play = text(captured);
      const one = fetcher({ folder });
      const list = order({ maximumBytes: 100_000, validUntil: ({ body }) => parseCrl(body).nextUpdate });
      expect((await one.get(list)).body).toEqual(captured);
      seconds = (nextUpdate.getTime() - start.getTime()) / 1000;
      play = refuse(500);
      await expect(one.get(list)).rejects.toMatchObject({ status: 500 });
    },
  );
});

describe('Intel', () => {
  const evidence = tdxEvidence();
  const served = (member: string, { document, signature }: { document: Uint8Array; signature: Uint8Array }) =>
    `{"${member}":${new TextDecoder().decode(document)},"signature":"${toHex(signature)}"}`;
  const chain = (signer: Uint8Array<ArrayBuffer>) => encodeURIComponent(toPem([signer, signer]));
  const source = (kept: string | undefined = undefined) =>
    vendorEndorsements({
      ...runtime,
      folder: kept,
      origins: { amd: origin, intel: { service: origin, certificates: origin } },
    });
  beforeEach(() => {
    seconds = (tdxNow.getTime() - start.getTime()) / 1000;
    play = (request, response) => {
      const path = request.url ?? '';
      const { tcbInfo, qeIdentity, pckCrl, rootCrl } = evidence;
      if (path.includes('/tcb?'))
        return text(served('tcbInfo', tcbInfo), { 'TCB-Info-Issuer-Chain': chain(tcbInfo.signer) })(
          request,
          response,
        );
      if (path.includes('/qe/identity'))
        return text(served('enclaveIdentity', qeIdentity), {
          'SGX-Enclave-Identity-Issuer-Chain': chain(qeIdentity.signer),
        })(request, response);
      return text(path.includes('pckcrl') ? pckCrl : rootCrl)(request, response);
    };
  });

  test('gives what makes a bare quote verify, and is asked once a day', async () => {
    const collateral = await source(folder).forTdxQuote(evidence.quote);
    const stapled = { kind: 'tdx' as const, quote: evidence.quote, ...collateral };
    const log = new StepLog();
    const genuine = await verifyTdxEvidence(
      log,
      stapled,
      { roots: tdxRoots, hardware: true },
      tdxNow,
      webCrypto,
    );
    expect(genuine.quote.report.reportData).toHaveLength(64);
    expect(asked.toSorted()).toEqual([
      '/IntelSGXRootCA.der',
      expect.stringMatching(/^\/sgx\/certification\/v4\/pckcrl\?ca=platform&encoding=der$/),
      '/tdx/certification/v4/qe/identity',
      expect.stringMatching(/^\/tdx\/certification\/v4\/tcb\?fmspc=[0-9a-f]{12}$/),
    ]);
    await source(folder).forTdxQuote(evidence.quote);
    expect(asked).toHaveLength(4);
  });
  test('whose answer has no chain, or is cut in another way, is a typed refusal', async () => {
    const good = play;
    for (const body of [served('tcbInfo', evidence.tcbInfo), '{"tcbInfo":{}}']) {
      play = (request, response) =>
        request.url?.includes('/tcb?') ? text(body)(request, response) : good(request, response);
      await expect(source().forTdxQuote(evidence.quote)).rejects.toMatchObject({
        code: 'tee_endorsements_unavailable',
      });
    }
  });
  test('is not asked about what is no quote', async () => {
    await expect(source().forTdxQuote(toUtf8('no quote'))).rejects.toMatchObject({
      code: 'tee_endorsements_unavailable',
    });
    expect(asked).toEqual([]);
  });
});
