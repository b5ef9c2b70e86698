// Our reader of certificates and lists against two others: @peculiar/x509 field by field, OpenSSL on whole chains.
//
// Known differences, all of them ours being stricter: OpenSSL takes an intermediate whose path length allows another one below it, a chain
// under other names than AMD's, and a root that may not sign lists; @peculiar/x509 reads any algorithm, name and key, and its `verify` says
// nothing about names, authority, path length or critical extensions. No certificate that ours takes is refused by either.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { boolean, integer, sequence } from '../../../backend/tee/simulated/der-writer.ts';
import { extension } from '../../../backend/tee/simulated/make-certificate.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { toHex } from '../../../shared/bytes/hex.ts';
import type { SnpEvidence } from '../../../shared/evidence/bundle.ts';
import { parseCrl } from '../../../shared/evidence/crl.ts';
import { readPemCertificates } from '../../../shared/evidence/pem.ts';
import { parseTdxQuote } from '../../../shared/evidence/tdx-quote.ts';
import { type CertificateVendor, parseCertificate } from '../../../shared/evidence/x509.ts';
import { StepLog, StoppedVerification } from '../../../shared/verifier/step.ts';
import { webCrypto } from '../../../shared/verifier/verifier-crypto.ts';
import { verifySnpChain } from '../../../shared/verifier/verify-snp-chain.ts';
import { now, testPlatform } from '../../backend/tee/simulated-node.ts';
import { openVectorFolder, vectorFolderPath } from '../../vectors/vector.ts';
import { day, generatedSnp, rootsFor, type SnpChanges } from './generated-snp.ts';
import { flipBit, makeChain } from './nvidia-fixture.ts';
import { toPem } from './tdx-authority.ts';
import { tdxEvidence } from './tdx-platform.ts';

// The library injects by metadata of classes, which a package of its own would add to Reflect; these three are all that it asks for.
const metadata = new WeakMap<object, Map<unknown, unknown>>();
const get = (key: unknown, target: object) => metadata.get(target)?.get(key);
Object.assign(Reflect, {
  getMetadata: get,
  getOwnMetadata: get,
  defineMetadata: (key: unknown, value: unknown, target: object) =>
    void (metadata.get(target) ?? metadata.set(target, new Map()).get(target))?.set(key, value),
  metadata: () => () => undefined,
});
const { X509Certificate, X509Crl } = await import('@peculiar/x509');

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

interface Chain {
  readonly name: string;
  readonly vendor: CertificateVendor;
  /** Leaf first, root last. */
  readonly certificates: readonly Bytes[];
  /** Lists with the position of their issuer. */
  readonly lists: readonly (readonly [Bytes, number])[];
}

async function chains(): Promise<readonly Chain[]> {
  const snp = await Promise.all(
    (['Milan', 'Genoa', 'Turin'] as const).flatMap((product) =>
      (['vcek', 'vlek'] as const).map(async (kind): Promise<Chain> => {
        const { leaf, ask, ark, crl } = await generatedSnp({ product, kind });
        return {
          name: `SNP ${product} ${kind}`,
          vendor: 'amd',
          certificates: [leaf.certificate, ask, ark],
          lists: [[crl, 2]],
        };
      }),
    ),
  );
  const tdx = tdxEvidence();
  const pem = readPemCertificates(parseTdxQuote(tdx.quote).pckChain, 3, 3, 'evidence_certificate_malformed');
  return [
    ...snp,
    {
      name: 'TDX',
      vendor: 'intel',
      certificates: pem,
      lists: [
        [tdx.pckCrl, 1],
        [tdx.rootCrl, 2],
      ],
    },
    { name: 'GPU', vendor: 'nvidia', certificates: makeChain(), lists: [] },
    ...capturedChains(),
  ];
}

function capturedChains(): readonly Chain[] {
  const path = vectorFolderPath();
  const vectors = path === undefined ? [] : openVectorFolder(path).vectors;
  const gpu = vectors.find(({ kind }) => kind === 'nvidia-gpu-report')?.file('certs');
  const quote = vectors.find(({ kind }) => kind === 'tdx-quote')?.file('quote');
  return [
    ...(gpu
      ? [
          {
            name: 'captured GPU',
            vendor: 'nvidia',
            certificates: readPemCertificates(gpu, 5, 5, 'evidence_certificate_malformed'),
            lists: [],
          } as const,
        ]
      : []),
    ...(quote
      ? [
          {
            name: 'captured TDX',
            vendor: 'intel',
            certificates: readPemCertificates(
              parseTdxQuote(quote).pckChain,
              3,
              3,
              'evidence_certificate_malformed',
            ),
            lists: [],
          } as const,
        ]
      : []),
  ];
}

const all = await chains();

async function isSignedByOurs(vendor: CertificateVendor, der: Bytes, issuer: Bytes): Promise<boolean> {
  const { signature, tbs } = parseCertificate(der, vendor);
  const { publicKey, spki } = parseCertificate(issuer, vendor);
  if (publicKey.kind === 'rsa') return webCrypto.verifyRsaPss(spki, signature, tbs);
  return publicKey.kind === 'p256'
    ? webCrypto.verifyEcdsaP256(publicKey.point, signature, tbs)
    : webCrypto.verifyEcdsaP384(publicKey.point, signature, tbs);
}
/** An error is a refusal, also one that comes at once. */
async function agrees(question: () => Promise<boolean>): Promise<boolean> {
  try {
    return await question();
  } catch {
    return false;
  }
}
const shortSerial = (serial: string) => serial.toLowerCase().replace(/^0+/, '') || '0';

describe.each(all)('@peculiar/x509 on $name', ({ vendor, certificates, lists }) => {
  it('reads the same', () => {
    for (const der of certificates) {
      const [ours, theirs] = [parseCertificate(der, vendor), new X509Certificate(der)];
      expect({
        serial: shortSerial(theirs.serialNumber),
        notBefore: theirs.notBefore,
        notAfter: theirs.notAfter,
        spki: toHex(new Uint8Array(theirs.publicKey.rawData)),
        subject: toHex(new Uint8Array(theirs.subjectName.toArrayBuffer())),
        issuer: toHex(new Uint8Array(theirs.issuerName.toArrayBuffer())),
        extensions: theirs.extensions.map(({ type }) => type),
      }).toEqual({
        serial: ours.serial,
        notBefore: ours.notBefore,
        notAfter: ours.notAfter,
        spki: toHex(ours.spki),
        subject: toHex(ours.subject),
        issuer: toHex(ours.issuer),
        extensions: [...ours.extensions.keys()],
      });
    }
    for (const [der] of lists) {
      const [ours, theirs] = [parseCrl(der, vendor), new X509Crl(der)];
      expect(theirs.thisUpdate).toEqual(ours.thisUpdate);
      expect(theirs.nextUpdate).toEqual(ours.nextUpdate);
      expect(theirs.entries.map(({ serialNumber }) => shortSerial(serialNumber))).toEqual([...ours.revoked]);
    }
  });
  it('finds the same signatures to hold, and not to hold with a bit turned', async () => {
    for (const [index, der] of certificates.entries()) {
      const issuer = certificates[Math.min(index + 1, certificates.length - 1)] as Bytes;
      const { publicKey } = new X509Certificate(issuer);
      const theirs = (octets: Bytes) =>
        agrees(() => new X509Certificate(octets).verify({ publicKey, signatureOnly: true }));
      const ours = (octets: Bytes) => agrees(() => isSignedByOurs(vendor, octets, issuer));
      expect([await ours(der), await theirs(der)]).toEqual([true, true]);
      // In the serial number, in the key, and in the signature.
      for (const bit of [14 * 8, Math.floor(der.length / 3) * 8, der.length * 8 - 9])
        expect([await ours(flipBit(der, bit)), await theirs(flipBit(der, bit))]).toEqual([false, false]);
    }
  });
});

describe.skipIf(!hasOpenssl)(
  hasOpenssl ? 'OpenSSL on chains of AMD’s shape' : 'skipped: no openssl on this machine',
  () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'cloister-openssl-'));
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    function openssl({ leaf, ask, ark }: SnpEvidence): boolean {
      const file = (name: string, der: Bytes) => {
        writeFileSync(join(folder, name), toPem([der]));
        return join(folder, name);
      };
      const args = [
        '-attime',
        String(now.getTime() / 1000),
        '-CAfile',
        file('ark', ark),
        '-untrusted',
        file('ask', ask),
      ];
      return spawnSync('openssl', ['verify', ...args, file('leaf', leaf.certificate)]).status === 0;
    }
    async function ours(evidence: SnpEvidence): Promise<boolean> {
      const trust = { roots: await rootsFor('Genoa'), hardware: true, simulated: [] };
      try {
        await verifySnpChain(new StepLog(), evidence, trust, now, webCrypto);
        return true;
      } catch (error) {
        if (!(error instanceof StoppedVerification)) throw error;
        return false;
      }
    }
    const over = { notBefore: day(-2), notAfter: day(-1) };
    const ca = (...parts: readonly Bytes[]) => [extension('2.5.29.19', true, sequence(...parts))];
    const cases: readonly (readonly [string, () => Promise<SnpChanges>, boolean, boolean])[] = [
      ['sound', async () => ({}), true, true],
      ['a VLEK', async () => ({ kind: 'vlek' }), true, true],
      ['leaf by another key', async () => ({ leafSigner: (await testPlatform()).keys.ark }), false, false],
      [
        'intermediate by another key',
        async () => ({ askSigner: (await testPlatform()).keys.ask }),
        false,
        false,
      ],
      ['leaf over', async () => ({ leafDates: over }), false, false],
      ['intermediate over', async () => ({ askDates: over }), false, false],
      ['root over', async () => ({ arkDates: over }), false, false],
      ['intermediate that is no authority', async () => ({ askExtensions: ca() }), false, false],
      ['known difference: names', async () => ({ askName: 'SEV-Milan' }), false, true],
      [
        'known difference: path length 1',
        async () => ({
          askExtensions: [
            ...ca(boolean(true), integer(1)),
            extension('2.5.29.15', true, Uint8Array.of(3, 2, 2, 4)),
          ],
        }),
        false,
        true,
      ],
      [
        'known difference: a root for certificates only',
        async () => ({
          arkExtensions: [...ca(boolean(true)), extension('2.5.29.15', true, Uint8Array.of(3, 2, 2, 4))],
        }),
        false,
        true,
      ],
    ];
    it.each(cases)('%s', async (_, changes, weSay, theySay) => {
      const evidence = await generatedSnp(await changes());
      expect({ ours: await ours(evidence), openssl: openssl(evidence) }).toEqual({
        ours: weSay,
        openssl: theySay,
      });
    });
  },
);
