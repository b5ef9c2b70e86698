// Makes reference files of NVIDIA's shape for tests: a chain of four under a root of its own, signed by xml-crypto's own signer.

import { createHash, generateKeyPairSync, type KeyLike, type KeyObject, sign } from 'node:crypto';
import { C14nCanonicalization, type HashAlgorithm, type SignatureAlgorithm, SignedXml } from 'xml-crypto';
import { bitString, boolean, integer, sequence } from '../../../backend/tee/simulated/der-writer.ts';
import { makeGpuCertificate, spkiOf } from '../../../backend/tee/simulated/gpu-certificates.ts';
import { extension } from '../../../backend/tee/simulated/make-certificate.ts';
import type { RimTrust } from '../../../deploy/golden-digests/verify-rim-signature.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';

const SWID = 'http://standards.iso.org/iso/19770/-2/2015/schema.xsd';
const HASH = 'http://www.w3.org/2001/04/xmlenc#sha384';
export const C14N_11 = 'http://www.w3.org/2006/12/xml-c14n11';
export const ENVELOPED = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature';
export const ECDSA_SHA384 = 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384';
export const SHA384 = 'http://www.w3.org/2001/04/xmldsig-more#sha384';

type Place = 0 | 1 | 2 | 3;
const NAMES = [
  'HCC RIM L4 Signer',
  'NVIDIA Reference Value L3 GH100 001',
  'NVIDIA Reference Value GH100 CA',
  'NVIDIA CoRIM signing Root CA',
] as const;
const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
const keys: readonly KeyObject[] = NAMES.map(newKey);
/** A key that no certificate of the fixture is for. */
export const strangerKey: KeyObject = newKey();

const basic = (...content: Bytes[]) => extension('2.5.29.19', true, sequence(...content));
const usage = (octet: number, unused: number) =>
  extension('2.5.29.15', true, bitString(Uint8Array.of(octet), unused));
/** Extensions of a signer. */
export const SIGNER: readonly Bytes[] = [basic(), usage(0x80, 7)];
/** Extensions of an authority. */
export const AUTHORITY: readonly Bytes[] = [basic(boolean(true)), usage(0x06, 1)];
/** Extensions of an authority below which only so many more may be. */
export const authorityOfPath = (length: number): readonly Bytes[] => [
  basic(boolean(true), integer(length)),
  usage(0x06, 1),
];

/** What is different in a chain. */
export interface ChainChanges {
  readonly names?: Partial<Record<Place, string>>;
  readonly issuers?: Partial<Record<Place, string>>;
  readonly extensions?: Partial<Record<Place, readonly Bytes[]>>;
  readonly notAfter?: Partial<Record<Place, Date>>;
  readonly wronglySigned?: Place;
  readonly keys?: Partial<Record<Place, KeyObject>>;
}

/** The time at which unchanged chains are valid. */
export const NOW = new Date('2026-06-01T00:00:00Z');

/** Certificates, signer first. */
export function makeChain(changes: ChainChanges = {}): readonly Bytes[] {
  const keyAt = (place: number) => changes.keys?.[place as Place] ?? (keys[place] as KeyObject);
  const nameAt = (place: number) => changes.names?.[place as Place] ?? (NAMES[place] as string);
  return NAMES.map((_, index) => {
    const place = index as Place;
    const above = Math.min(place + 1, 3);
    return makeGpuCertificate({
      subject: nameAt(place),
      issuer: changes.issuers?.[place] ?? nameAt(above),
      serial: place + 1,
      key: spkiOf(keyAt(place)),
      signer: changes.wronglySigned === place ? strangerKey : keyAt(above),
      notAfter: changes.notAfter?.[place] ?? new Date('2027-01-01T00:00:00Z'),
      extensions: changes.extensions?.[place] ?? (place === 0 ? SIGNER : AUTHORITY),
    });
  });
}

/** The trust under which unchanged files hold. */
export const trust: RimTrust = {
  roots: [
    createHash('sha256')
      .update(spkiOf(keys[3] as KeyObject))
      .digest('hex'),
  ],
  at: NOW,
};

/** A hash of 48 equal octets, hex. */
export const hashOf = (octet: number): string => octet.toString(16).padStart(2, '0').repeat(48);

/** One measurement, as NVIDIA writes it. */
export function resource(
  index: number,
  hashes: readonly string[],
  changes: Record<string, string> = {},
): string {
  const attributes = {
    type: 'Measurement',
    index: String(index),
    active: 'True',
    alternatives: String(hashes.length),
    ...Object.fromEntries(hashes.map((hash, number) => [`ns2:Hash${number}`, hash])),
    name: `Measurement_${index}`,
    size: '48',
    ...changes,
  };
  const text = Object.entries(attributes).map(([name, value]) => `${name}="${value}"`);
  return `<ns0:Resource ${text.join(' ')}/>`;
}

/** Index 7 has one value and index 21 two; index 8 is not active. */
export const RESOURCES: readonly string[] = [
  resource(7, [hashOf(0x11)]),
  resource(8, [hashOf(0)], { active: 'False' }),
  resource(21, [hashOf(0x22), hashOf(0x33)]),
];

/** An unsigned file. */
export function rimText({
  version = '550.144.03',
  product = 'GH100',
  resources = RESOURCES,
  root = '',
  payload = '',
}: {
  readonly version?: string;
  readonly product?: string;
  readonly resources?: readonly string[];
  readonly root?: string;
  readonly payload?: string;
} = {}): string {
  return `<SoftwareIdentity xmlns="${SWID}" xmlns:ns0="${SWID}" xmlns:ns2="${HASH}" corpus="false" name="${product}" patch="false" supplemental="false" tagId="1"${root}>
    <ns0:Entity name="NVIDIA Corporation" role="softwareCreator tagCreator"/>
    <ns0:Meta xmlns:ns1="https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/" colloquialVersion="${version}" edition="GPU" product="${product}" ns1:BindingSpec="RIMIM"/>
    <ns0:Payload xmlns:SHA384="${HASH}"${payload}>
        ${resources.join('\n        ')}
    </ns0:Payload>
</SoftwareIdentity>`;
}

/** How a file is signed, where it is not as NVIDIA does. */
export interface SigningChanges {
  readonly signer?: KeyObject;
  readonly chain?: readonly Bytes[];
  /** In place of the one reference to the whole document: XPath and URI of each. */
  readonly references?: readonly { readonly xpath: string; readonly uri: string }[];
  readonly transforms?: readonly string[];
  readonly digest?: string;
  readonly signature?: string;
  readonly canonical?: string;
}

/** Signs a file with the signer's key, whatever it says. */
export function signRim(text: string, changes: SigningChanges = {}): string {
  const { digest = SHA384, signature = ECDSA_SHA384, canonical = C14N_11 } = changes;
  const signed = new SignedXml({
    privateKey: changes.signer ?? (keys[0] as KeyObject),
    canonicalizationAlgorithm: canonical,
    signatureAlgorithm: signature,
    getKeyInfoContent: () => keyInfoOf(changes.chain ?? makeChain()),
  });
  signed.CanonicalizationAlgorithms[C14N_11] = C14n11;
  signed.HashAlgorithms[SHA384] = Sha384;
  signed.SignatureAlgorithms[ECDSA_SHA384] = EcdsaSha384;
  const transforms = [...(changes.transforms ?? [ENVELOPED, C14N_11])];
  for (const { xpath, uri } of changes.references ?? [{ xpath: '/*', uri: '' }])
    signed.addReference({ xpath, uri, isEmptyUri: uri === '', transforms, digestAlgorithm: digest });
  signed.computeSignature(text, { prefix: 'ds' });
  return signed.getSignedXml();
}

/** Certificates as XML. */
export function keyInfoOf(chain: readonly Uint8Array[]): string {
  const lines = (der: Uint8Array) =>
    Buffer.from(der)
      .toString('base64')
      .replace(/.{64}(?=.)/g, '$&\n');
  const all = chain.map((der) => `<ds:X509Certificate>${lines(der)}\n</ds:X509Certificate>`);
  return `<ds:X509Data>${all.join('')}</ds:X509Data>`;
}

/** A file that holds. */
export const soundRim = (): string => signRim(rimText());

class C14n11 extends C14nCanonicalization {
  override getAlgorithmName(): string {
    return C14N_11;
  }
}

class Sha384 implements HashAlgorithm {
  getAlgorithmName(): string {
    return SHA384;
  }
  getHash(xml: string): string {
    return createHash('sha384').update(xml).digest('base64');
  }
}

class EcdsaSha384 implements SignatureAlgorithm {
  getAlgorithmName(): string {
    return ECDSA_SHA384;
  }
  getSignature(signedInfo: unknown, key: unknown): string {
    const octets = Buffer.from(String(signedInfo));
    return sign('sha384', octets, { key: key as KeyObject, dsaEncoding: 'ieee-p1363' }).toString('base64');
  }
  verifySignature(_material: string, _key: KeyLike, _value: string): boolean {
    return false;
  }
}
