// Evidence of an Azure confidential VM, as a bundle carries it: what the paravisor says, the hardware below, the vTPM's quote.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { list, object, octets, oneOf, type Shape } from '../bytes/shape.ts';
import { CERTIFICATE_MAXIMUM_BYTES, CRL_MAXIMUM_BYTES } from './der.ts';
import { HCL_MAXIMUM_BYTES, PCR_COUNT, TPM_QUOTE_MAXIMUM_BYTES } from './evidence-bounds.ts';
import { encodeTdx, type TdxEvidence, tdxShape } from './tdx-evidence.ts';

/** A quote of the vTPM with the values that it is a digest of. */
export interface VtpmQuote {
  /** TPMS_ATTEST. */
  readonly message: Bytes;
  /** RSASSA-PKCS1-v1_5 with SHA-256 under the vTPM's attestation key. */
  readonly signature: Bytes;
  /** Values of the quoted registers in ascending order, 32 octets each. */
  readonly pcrs: readonly Bytes[];
}

/** The HCL report (NV index 0x01400001), the vTPM's quote, and AMD's endorsements of the report inside. */
export interface AzureSnpEvidence {
  readonly kind: 'azure-sev-snp';
  readonly hcl: Bytes;
  readonly quote: VtpmQuote;
  readonly vcek: Bytes;
  readonly ask: Bytes;
  readonly ark: Bytes;
  readonly crl: Bytes;
}

/**
 * The JSON of the HCL report, the vTPM's quote, and Intel's evidence whose REPORTDATA is the JSON's hash. The TDREPORT of the
 * HCL report is left out: nothing signs it, and Intel's quote says the same.
 */
export interface AzureTdxEvidence {
  readonly kind: 'azure-tdx';
  readonly runtimeData: Bytes;
  readonly quote: VtpmQuote;
  readonly td: TdxEvidence;
}

interface AzureTdxJson {
  readonly kind: 'azure-tdx';
  readonly runtime_data: Bytes;
  readonly quote: VtpmQuote;
  readonly td: TdxEvidence;
}

/** Shape of a vTPM's quote in a bundle. */
export const vtpmQuoteShape: Shape<VtpmQuote> = object<VtpmQuote>({
  message: octets(1, TPM_QUOTE_MAXIMUM_BYTES),
  signature: octets(256, 512),
  pcrs: list(octets(32), 1, PCR_COUNT),
});

const certificate = octets(1, CERTIFICATE_MAXIMUM_BYTES);

/** Shape of an Azure VM's evidence in a bundle. */
export const azureSnpShape: Shape<AzureSnpEvidence> = object<AzureSnpEvidence>({
  kind: oneOf('azure-sev-snp'),
  hcl: octets(1, HCL_MAXIMUM_BYTES),
  quote: vtpmQuoteShape,
  vcek: certificate,
  ask: certificate,
  ark: certificate,
  crl: octets(1, CRL_MAXIMUM_BYTES),
});

/** An Azure VM's evidence as JSON. */
export function encodeAzureSnp(evidence: AzureSnpEvidence): Readonly<Record<string, unknown>> {
  const { kind, hcl, quote, vcek, ask, ark, crl } = evidence;
  return {
    kind,
    hcl: toBase64url(hcl),
    quote: encodeVtpmQuote(quote),
    vcek: toBase64url(vcek),
    ask: toBase64url(ask),
    ark: toBase64url(ark),
    crl: toBase64url(crl),
  };
}

/** A vTPM's quote as JSON. */
export function encodeVtpmQuote({ message, signature, pcrs }: VtpmQuote): Readonly<Record<string, unknown>> {
  return {
    message: toBase64url(message),
    signature: toBase64url(signature),
    pcrs: pcrs.map(toBase64url),
  };
}

const azureTdxJson: Shape<AzureTdxJson> = object<AzureTdxJson>({
  kind: oneOf('azure-tdx'),
  runtime_data: octets(2, HCL_MAXIMUM_BYTES),
  quote: vtpmQuoteShape,
  td: tdxShape,
});

/** Shape of the evidence of an Azure VM on TDX in a bundle. */
export const azureTdxShape: Shape<AzureTdxEvidence> = (value, path, problems) => {
  const json = azureTdxJson(value, path, problems);
  return json && { kind: json.kind, runtimeData: json.runtime_data, quote: json.quote, td: json.td };
};

/** The evidence of an Azure VM on TDX as JSON. */
export function encodeAzureTdx(evidence: AzureTdxEvidence): Readonly<Record<string, unknown>> {
  return {
    kind: evidence.kind,
    runtime_data: toBase64url(evidence.runtimeData),
    quote: encodeVtpmQuote(evidence.quote),
    td: encodeTdx(evidence.td),
  };
}
