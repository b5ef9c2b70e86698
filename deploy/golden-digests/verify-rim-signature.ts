// The XML signature of a reference file, in the one form that NVIDIA uses. What comes out is what was signed, not what came in.

import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import { equalBytes } from '../../shared/bytes/equal.ts';
import { webCrypto } from '../../shared/verifier/verifier-crypto.ts';
import { canonicalise } from './canonicalise.ts';
import { attributesOf, childrenOf, decodePlain, expectChildren, parsePlain, textOf } from './plain-xml.ts';
import { RimError, type RimErrorCode } from './rim-error.ts';
import { verifyRimChain } from './verify-rim-chain.ts';

const DSIG = 'http://www.w3.org/2000/09/xmldsig#';
const C14N_11 = 'http://www.w3.org/2006/12/xml-c14n11';
const ENVELOPED = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature';
const ECDSA_SHA384 = 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384';
const SHA384 = 'http://www.w3.org/2001/04/xmldsig-more#sha384';
const DIGEST_OCTETS = 48;
const SIGNATURE_OCTETS = 96;
const MAXIMUM_CERTIFICATES = 8;

/** What counts as signed by NVIDIA, and when. */
export interface RimTrust {
  /** Hex SHA-256 of the SubjectPublicKeyInfo of roots. */
  readonly roots: readonly string[];
  /** The time at which every certificate of the chain must be valid. */
  readonly at: Date;
}

/**
 * Verifies a file and gives the canonical octets that the signature covers: the document without its Signature.
 * The order is: form, chain, signature over SignedInfo, digest of the document. The key is the signer's of the validated chain;
 * algorithms and the reference are read from the octets of SignedInfo that were verified, values from those that were digested.
 * @throws RimError with any code up to `rim_digest_differs`.
 */
export async function verifyRimSignature(file: Uint8Array, { roots, at }: RimTrust): Promise<Bytes> {
  const root = parsePlain(decodePlain(concat(file)));
  const signature = takeSignature(root);
  const parts = expectChildren(
    signature,
    DSIG,
    ['SignedInfo', 'SignatureValue', 'KeyInfo'],
    'rim_signature_structure',
  );
  const [signedInfoElement, valueElement, keyInfo] = parts;
  for (const element of [signature, ...parts]) refuseAttributes(element, 'rim_signature_structure');
  const signedInfo = canonicalise(signedInfoElement);
  const wantedDigest = readSignedInfo(parsePlain(decodePlain(signedInfo)));
  const value = decodeBase64(textOf(valueElement, 'rim_signature_structure'), 'rim_signature_structure');
  if (value.length !== SIGNATURE_OCTETS)
    throw new RimError('rim_signature_structure', 'a signature of another length');

  const key = await verifyRimChain(readCertificates(keyInfo), roots, at);
  if (!(await webCrypto.verifyEcdsaP384(key, value, signedInfo)))
    throw new RimError('rim_signature_invalid', 'the signer did not sign this');

  // The enveloped-signature transform (XML Signature section 6.6.4): the document without this very Signature.
  root.removeChild(signature);
  const signed = canonicalise(root);
  if (!equalBytes(await webCrypto.digest('SHA-384', signed), wantedDigest))
    throw new RimError('rim_digest_differs', 'the document is not the one that was signed');
  return signed;
}

// Counted by local name in any namespace, so that no second one goes by another spelling.
function takeSignature(root: Element): Element {
  const all = root.getElementsByTagNameNS('*', 'Signature');
  const [signature] = childrenOf(root, 'rim_content_malformed').filter(
    ({ localName }) => localName === 'Signature',
  );
  if (all.length !== 1) throw new RimError('rim_signature_structure', 'not exactly one Signature');
  if (!signature || signature.namespaceURI !== DSIG)
    throw new RimError('rim_signature_structure', 'the Signature is not a child of the root');
  return signature;
}

function readSignedInfo(signedInfo: Element): Bytes {
  const code = 'rim_signature_structure';
  refuseAttributes(signedInfo, code);
  const children = childrenOf(signedInfo, code);
  const references = children.filter(({ localName }) => localName === 'Reference');
  if (references.length !== 1) throw new RimError('rim_reference', 'not exactly one Reference');
  const [method, signatureMethod, reference] = expectChildren(
    signedInfo,
    DSIG,
    ['CanonicalizationMethod', 'SignatureMethod', 'Reference'],
    code,
  );
  expectAlgorithm(method, C14N_11);
  expectAlgorithm(signatureMethod, ECDSA_SHA384);

  const attributes = attributesOf(reference, 'rim_reference');
  if (attributes.size !== 1 || attributes.get('{}URI') !== '')
    throw new RimError('rim_reference', 'not the whole document');
  const [transforms, digestMethod, digestValue] = expectChildren(
    reference,
    DSIG,
    ['Transforms', 'DigestMethod', 'DigestValue'],
    code,
  );
  for (const element of [transforms, digestValue]) refuseAttributes(element, code);
  const [enveloped, canonical] = expectChildren(
    transforms,
    DSIG,
    ['Transform', 'Transform'],
    'rim_algorithm',
  );
  expectAlgorithm(enveloped, ENVELOPED);
  expectAlgorithm(canonical, C14N_11);
  expectAlgorithm(digestMethod, SHA384);
  const digest = decodeBase64(textOf(digestValue, code), code);
  if (digest.length !== DIGEST_OCTETS) throw new RimError(code, 'a digest of another length');
  return digest;
}

// Algorithms take no parameters here, so their elements are empty.
function expectAlgorithm(element: Element, algorithm: string): void {
  const attributes = attributesOf(element, 'rim_algorithm');
  if (attributes.size !== 1 || attributes.get('{}Algorithm') !== algorithm || element.firstChild)
    throw new RimError('rim_algorithm', 'an algorithm other than the expected one');
}

function refuseAttributes(element: Element, code: RimErrorCode): void {
  if (attributesOf(element, code).size > 0) throw new RimError(code, 'an attribute where none was expected');
}

// Certificates only: a bare key would be one that nobody vouches for.
function readCertificates(keyInfo: Element): readonly Bytes[] {
  const code = 'rim_key_info';
  const [data] = expectChildren(keyInfo, DSIG, ['X509Data'], code);
  refuseAttributes(data, code);
  const certificates = childrenOf(data, code);
  if (certificates.length === 0 || certificates.length > MAXIMUM_CERTIFICATES)
    throw new RimError(code, 'another number of certificates');
  return certificates.map((element) => {
    if (element.localName !== 'X509Certificate' || element.namespaceURI !== DSIG)
      throw new RimError(code, 'something other than certificates');
    refuseAttributes(element, code);
    return decodeBase64(textOf(element, code), code);
  });
}

// XML Schema lets base64 be broken into lines; anything else has one spelling.
function decodeBase64(text: string, code: RimErrorCode): Bytes {
  const base64 = text.replaceAll('\n', '');
  const octets = new Uint8Array(Buffer.from(base64, 'base64'));
  if (Buffer.from(octets).toString('base64') !== base64) throw new RimError(code, 'not canonical base64');
  return octets;
}
