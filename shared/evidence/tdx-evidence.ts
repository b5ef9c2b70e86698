// TDX evidence in a bundle: a quote with every endorsement that verifying it takes.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { object, octets, oneOf, type Shape } from '../bytes/shape.ts';
import { CERTIFICATE_MAXIMUM_BYTES, CRL_MAXIMUM_BYTES } from './der.ts';
import {
  QE_IDENTITY_MAXIMUM_BYTES,
  TCB_INFO_MAXIMUM_BYTES,
  TDX_QUOTE_MAXIMUM_BYTES,
} from './evidence-bounds.ts';
import type { SignedDocument } from './tdx-collateral.ts';

/** A document of Intel's with the certificate that signed it. */
export interface EndorsedDocument extends SignedDocument {
  /** `Intel SGX TCB Signing`, DER. */
  readonly signer: Bytes;
}

/** A quote, which holds its own chain, with Intel's collateral. All exact octets. */
export interface TdxEvidence {
  readonly kind: 'tdx';
  readonly quote: Bytes;
  /** The `tcbInfo` object for the platform's FMSPC. */
  readonly tcbInfo: EndorsedDocument;
  /** The `enclaveIdentity` object of the TD quoting enclave. */
  readonly qeIdentity: EndorsedDocument;
  /** Revocation list of the CA that issued the PCK certificate, DER. */
  readonly pckCrl: Bytes;
  /** Revocation list of Intel's root, DER. */
  readonly rootCrl: Bytes;
}

interface EndorsedJson {
  readonly document: Bytes;
  readonly signature: Bytes;
  readonly signer: Bytes;
}
interface TdxJson {
  readonly kind: 'tdx';
  readonly quote: Bytes;
  readonly tcb_info: EndorsedJson;
  readonly qe_identity: EndorsedJson;
  readonly pck_crl: Bytes;
  readonly root_crl: Bytes;
}

function endorsed(maximumBytes: number): Shape<EndorsedJson> {
  return object<EndorsedJson>({
    document: octets(2, maximumBytes),
    signature: octets(64),
    signer: octets(1, CERTIFICATE_MAXIMUM_BYTES),
  });
}

const jsonShape: Shape<TdxJson> = object<TdxJson>({
  kind: oneOf('tdx'),
  quote: octets(1, TDX_QUOTE_MAXIMUM_BYTES),
  tcb_info: endorsed(TCB_INFO_MAXIMUM_BYTES),
  qe_identity: endorsed(QE_IDENTITY_MAXIMUM_BYTES),
  pck_crl: octets(1, CRL_MAXIMUM_BYTES),
  root_crl: octets(1, CRL_MAXIMUM_BYTES),
});

/** Shape of the evidence as JSON. */
export const tdxShape: Shape<TdxEvidence> = (value, path, problems) => {
  const json = jsonShape(value, path, problems);
  return (
    json && {
      kind: 'tdx',
      quote: json.quote,
      tcbInfo: json.tcb_info,
      qeIdentity: json.qe_identity,
      pckCrl: json.pck_crl,
      rootCrl: json.root_crl,
    }
  );
};

/** The evidence as JSON, for `JSON.stringify`. */
export function encodeTdx(evidence: TdxEvidence): Readonly<Record<string, unknown>> {
  return {
    kind: evidence.kind,
    quote: toBase64url(evidence.quote),
    tcb_info: encodeEndorsed(evidence.tcbInfo),
    qe_identity: encodeEndorsed(evidence.qeIdentity),
    pck_crl: toBase64url(evidence.pckCrl),
    root_crl: toBase64url(evidence.rootCrl),
  };
}

function encodeEndorsed({ document, signature, signer }: EndorsedDocument): object {
  return {
    document: toBase64url(document),
    signature: toBase64url(signature),
    signer: toBase64url(signer),
  };
}
