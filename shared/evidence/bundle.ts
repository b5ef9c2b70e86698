// The attestation bundle: everything a client needs to verify one node offline, as the directory hands it out.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { byMember, list, object, octets, oneOf, rule, type Shape, text } from '../bytes/shape.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import { LIMIT } from '../wire/limits.ts';
import {
  type AzureSnpEvidence,
  type AzureTdxEvidence,
  azureSnpShape,
  azureTdxShape,
  encodeAzureSnp,
  encodeAzureTdx,
} from './azure-evidence.ts';
import { CERTIFICATE_MAXIMUM_BYTES, CRL_MAXIMUM_BYTES } from './der.ts';
import {
  type DeviceEvidence,
  encodeDeviceEvidence,
  type NrasEvidence,
  type NvidiaGpuEvidence,
  nrasShape,
  nvidiaGpuShape,
} from './device-evidence.ts';
import { EvidenceError } from './evidence-error.ts';
import { encodeFreshnessProof, type FreshnessProof, freshnessProofShape } from './freshness-proof.ts';
import { readJson } from './read-json.ts';
import { SNP_REPORT_BYTES } from './snp-report.ts';
import { encodeTdx, type TdxEvidence, tdxShape } from './tdx-evidence.ts';

/** A SEV-SNP report with every endorsement that verifying it takes. All DER, all exact octets. */
export interface SnpEvidence {
  readonly kind: 'sev-snp';
  /** 1184 octets. */
  readonly report: Bytes;
  /** The certificate of the key that signed the report: per chip (VCEK) or per cloud provider (VLEK). */
  readonly leaf: { readonly kind: 'vcek' | 'vlek'; readonly certificate: Bytes };
  /** AMD's intermediate: ASK above a VCEK, ASVK above a VLEK. */
  readonly ask: Bytes;
  /** AMD's root for the product. */
  readonly ark: Bytes;
  /** The root's revocation list. */
  readonly crl: Bytes;
}

/** Evidence of one CPU. */
export type Evidence = SnpEvidence | AzureSnpEvidence | TdxEvidence | AzureTdxEvidence;

export type {
  AzureSnpEvidence,
  AzureTdxEvidence,
  DeviceEvidence,
  NrasEvidence,
  NvidiaGpuEvidence,
  TdxEvidence,
};

/** What one node shows. */
export interface NodeEvidence {
  /** The node statement's exact octets. */
  readonly statement: Bytes;
  readonly evidence: readonly Evidence[];
  /** Of GPUs. The statement names each by its hash. */
  readonly devices?: readonly DeviceEvidence[];
  /** What shows how young the statement is, where its freshness is of another kind than `epoch`. */
  readonly freshness?: FreshnessProof;
}

/** A version before; exact octets. */
export interface PastManifest {
  readonly manifest: Bytes;
  readonly signatures?: Bytes;
}

export interface AttestationBundle {
  readonly version: 1;
  /** The manifest's exact octets. */
  readonly manifest: Bytes;
  /** Owners' signatures of the manifest: the exact octets of a document that shared/manifest reads. */
  readonly signatures?: Bytes;
  /** Versions before, oldest first, without gaps: for clients that know owners who have been replaced since. */
  readonly history?: readonly PastManifest[];
  /** Proof that the manifest lies in a witnessed log: a document that shared/manifest reads. */
  readonly logProof?: Bytes;
  readonly node: NodeEvidence;
  /** The attestation service's own statement and evidence; absent where the node, in the role `all`, is its own. */
  readonly service?: NodeEvidence;
  /** Attestation result of the attestation service: a compact JWS. */
  readonly result?: string;
}

interface SnpDocument {
  readonly kind: 'sev-snp';
  readonly report: Bytes;
  readonly vcek?: Bytes;
  readonly vlek?: Bytes;
  readonly ask: Bytes;
  readonly ark: Bytes;
  readonly crl: Bytes;
}
interface BundleDocument {
  readonly version: 1;
  readonly manifest: Bytes;
  readonly signatures?: Bytes;
  readonly history?: readonly PastManifest[];
  readonly log_proof?: Bytes;
  readonly node: NodeEvidence;
  readonly service?: NodeEvidence;
  readonly result?: string;
}

const certificate = octets(1, CERTIFICATE_MAXIMUM_BYTES);

const snpShape: Shape<SnpDocument> = rule(
  object<SnpDocument>(
    {
      kind: oneOf('sev-snp'),
      report: octets(SNP_REPORT_BYTES),
      vcek: certificate,
      vlek: certificate,
      ask: certificate,
      ark: certificate,
      crl: octets(1, CRL_MAXIMUM_BYTES),
    },
    ['vcek', 'vlek'],
  ),
  ({ vcek, vlek }) => {
    if (vcek === undefined && vlek === undefined) return 'missing: vcek or vlek';
    return vcek === undefined || vlek === undefined ? undefined : 'must have one of vcek and vlek, not both';
  },
);

const snpEvidence: Shape<SnpEvidence> = (value, path, problems) => {
  const document = snpShape(value, path, problems);
  return document && toEvidence(document);
};

const cpuShape = byMember<Evidence>('kind', 'sev-snp', {
  'sev-snp': snpEvidence,
  'azure-sev-snp': azureSnpShape,
  'azure-tdx': azureTdxShape,
  tdx: tdxShape,
});
const deviceShape = byMember<DeviceEvidence>('kind', 'nvidia-gpu', {
  'nvidia-gpu': nvidiaGpuShape,
  nras: nrasShape,
});

const nodeShape: Shape<NodeEvidence> = object<NodeEvidence>(
  {
    statement: octets(2, LIMIT.bundleBytes),
    evidence: list(cpuShape, 1, 8),
    devices: list(deviceShape, 1, 17),
    freshness: freshnessProofShape,
  },
  ['devices', 'freshness'],
);

const MOST_PAST_MANIFESTS = 64;
const signatureOctets = octets(2, 16 * 1024);

const shape: Shape<BundleDocument> = object<BundleDocument>(
  {
    version: oneOf(1),
    manifest: octets(2, LIMIT.bundleBytes),
    signatures: signatureOctets,
    history: list(
      object<PastManifest>({ manifest: octets(2, LIMIT.bundleBytes), signatures: signatureOctets }, [
        'signatures',
      ]),
      1,
      MOST_PAST_MANIFESTS,
    ),
    log_proof: octets(2, 32 * 1024),
    node: nodeShape,
    service: nodeShape,
    result: text(/^[A-Za-z0-9_-]{1,8192}\.[A-Za-z0-9_-]{1,16384}\.[A-Za-z0-9_-]{1,2048}$/, 'a compact JWS'),
  },
  ['signatures', 'history', 'log_proof', 'service', 'result'],
);

/** The octets of a bundle. */
export function encodeBundle(bundle: AttestationBundle): Bytes {
  return toUtf8(
    JSON.stringify({
      version: bundle.version,
      manifest: toBase64url(bundle.manifest),
      ...encodeSigned(bundle),
      ...(bundle.history === undefined
        ? {}
        : {
            history: bundle.history.map((past) => ({
              manifest: toBase64url(past.manifest),
              ...encodeSigned(past),
            })),
          }),
      ...(bundle.logProof === undefined ? {} : { log_proof: toBase64url(bundle.logProof) }),
      node: encodeNode(bundle.node),
      ...(bundle.service === undefined ? {} : { service: encodeNode(bundle.service) }),
      ...(bundle.result === undefined ? {} : { result: bundle.result }),
    }),
  );
}

/**
 * Reads a bundle's outermost form; what is inside is octets for the other parsers.
 * @throws EvidenceError `evidence_bundle_malformed` with every problem; `evidence_collateral_absent` where nothing but endorsements is missing;
 * `evidence_too_large`.
 */
export function parseBundle(bundleOctets: Uint8Array): AttestationBundle {
  const bundle = readDocument(bundleOctets);
  return {
    version: bundle.version,
    manifest: bundle.manifest,
    ...(bundle.signatures === undefined ? {} : { signatures: bundle.signatures }),
    ...(bundle.history === undefined ? {} : { history: bundle.history }),
    ...(bundle.log_proof === undefined ? {} : { logProof: bundle.log_proof }),
    node: bundle.node,
    ...(bundle.service === undefined ? {} : { service: bundle.service }),
    ...(bundle.result === undefined ? {} : { result: bundle.result }),
  };
}

// What a vendor publishes: evidence without it is not wrong, it cannot be judged.
const COLLATERAL_MISSING =
  /(?:\.(?:ask|ark|crl|tcb_info|qe_identity|pck_crl|root_crl) missing|evidence\[\d\] missing: vcek or vlek)$/;

function readDocument(bundleOctets: Uint8Array): BundleDocument {
  try {
    return readJson(bundleOctets, shape, LIMIT.bundleBytes, 'evidence_bundle_malformed');
  } catch (error) {
    if (!(error instanceof EvidenceError) || error.code !== 'evidence_bundle_malformed') throw error;
    const isAbsence = error.detail.split('; ').every((problem) => COLLATERAL_MISSING.test(problem));
    throw isAbsence ? new EvidenceError('evidence_collateral_absent', error.detail) : error;
  }
}

function encodeSigned({ signatures }: { readonly signatures?: Bytes }): object {
  return signatures === undefined ? {} : { signatures: toBase64url(signatures) };
}

function encodeNode(node: NodeEvidence): object {
  return {
    statement: toBase64url(node.statement),
    evidence: node.evidence.map(encodeEvidence),
    ...(node.devices === undefined ? {} : { devices: node.devices.map(encodeDeviceEvidence) }),
    ...(node.freshness === undefined ? {} : { freshness: encodeFreshnessProof(node.freshness) }),
  };
}

function encodeEvidence(evidence: Evidence): Readonly<Record<string, unknown>> {
  if (evidence.kind === 'azure-sev-snp') return encodeAzureSnp(evidence);
  if (evidence.kind === 'azure-tdx') return encodeAzureTdx(evidence);
  if (evidence.kind === 'tdx') return encodeTdx(evidence);
  return {
    kind: evidence.kind,
    report: toBase64url(evidence.report),
    [evidence.leaf.kind]: toBase64url(evidence.leaf.certificate),
    ask: toBase64url(evidence.ask),
    ark: toBase64url(evidence.ark),
    crl: toBase64url(evidence.crl),
  };
}

function toEvidence(document: SnpDocument): SnpEvidence {
  const { report, ask, ark, crl } = document;
  const leaf =
    document.vcek === undefined
      ? { kind: 'vlek' as const, certificate: document.vlek as Bytes }
      : { kind: 'vcek' as const, certificate: document.vcek };
  return { kind: 'sev-snp', report, leaf, ask, ark, crl };
}
