// The manifest: what a service promises to run, as exact octets that a client pins.

import { fromBase64url, toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';
import { parseInstant } from '../bytes/instant.ts';
import {
  byMember,
  integer,
  list,
  object,
  octets,
  oneOf,
  type Problem,
  readShape,
  refuse,
  rule,
  type Shape,
  text,
} from '../bytes/shape.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import {
  type AzureSnpReferenceValue,
  type AzureTdxReferenceValue,
  azureSnpReferenceValue,
  azureTdxReferenceValue,
} from './azure-reference-value.ts';
import { parseDeployment } from './deployment.ts';
import { ManifestError } from './manifest-error.ts';
import { type SnpReferenceValue, snpReferenceValue } from './snp-reference-value.ts';
import { type TdxReferenceValue, tdxReferenceValue } from './tdx-reference-value.ts';

/** Reference values of one role, by kind of TEE. */
export type ReferenceValue =
  | SnpReferenceValue
  | TdxReferenceValue
  | AzureSnpReferenceValue
  | AzureTdxReferenceValue;

/** A deployment that the manifest allows. */
export interface ManifestDeployment {
  readonly name: string;
  /** base64url of the deployment's exact octets: see `deploymentOctets`. */
  readonly document: string;
}

/** The members are the JSON's own, so that what is pinned reads like what is used. */
export interface Manifest {
  readonly version: 1;
  /** Counts up with every change. */
  readonly serial: number;
  /** Such as `2027-01-31T23:59:59Z`; clients refuse the manifest afterwards. */
  readonly not_after: string;
  /** Who may replace the manifest. Empty: nobody, it is immutable. Other values are refused until signatures exist. */
  readonly owners: readonly never[];
  /** How many owners must agree: 0 with no owners. */
  readonly threshold: 0;
  /** Which attestation service must vouch for nodes as well. */
  readonly attestation_service: 'none';
  /** Per role; a role without reference values cannot be verified. */
  readonly reference_values: {
    readonly worker?: readonly ReferenceValue[];
    readonly 'attestation-service'?: readonly ReferenceValue[];
    readonly all?: readonly ReferenceValue[];
  };
  readonly deployments: readonly ManifestDeployment[];
  /** Lengths of a key epoch and of the time during which the one before still answers. */
  readonly key_epoch: { readonly seconds: number; readonly overlap_seconds: number };
}

const MAXIMUM_BYTES = 512 * 1024;
const referenceValue = byMember<ReferenceValue>('tee', 'sev-snp', {
  'sev-snp': snpReferenceValue,
  tdx: tdxReferenceValue,
  'azure-sev-snp': azureSnpReferenceValue,
  'azure-tdx': azureTdxReferenceValue,
});
const values = list(referenceValue, 1, 32);

const noOwners: Shape<readonly never[]> = (value, path, problems) =>
  Array.isArray(value) && value.length === 0
    ? []
    : refuse(path, 'must be empty: owners’ signatures are not implemented', problems);

const deployment: Shape<ManifestDeployment> = object<ManifestDeployment>({
  name: text(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'a lower-case name with hyphens and dots'),
  document: (value, path, problems) => {
    const document = octets(2, 64 * 1024)(value, path, problems);
    return document && readDocument(document, path, problems) ? toBase64url(document) : undefined;
  },
});

const shape: Shape<Manifest> = object<Manifest>({
  version: oneOf(1),
  serial: integer(1, Number.MAX_SAFE_INTEGER),
  not_after: (value, path, problems) =>
    typeof value === 'string' && parseInstant(value)
      ? value
      : refuse(path, 'must be a time such as 2027-01-31T23:59:59Z', problems),
  owners: noOwners,
  threshold: oneOf(0),
  attestation_service: oneOf('none'),
  reference_values: object<Manifest['reference_values']>(
    { worker: values, 'attestation-service': values, all: values },
    ['worker', 'attestation-service', 'all'],
  ),
  deployments: rule(list(deployment, 1, 256), (all) =>
    new Set(all.map(({ name }) => name)).size === all.length ? undefined : 'has a name twice',
  ),
  key_epoch: rule(
    object<Manifest['key_epoch']>({ seconds: integer(60, 86_400), overlap_seconds: integer(0, 86_400) }),
    (epoch) => (epoch.overlap_seconds <= epoch.seconds ? undefined : 'must not overlap longer than it lasts'),
  ),
});

/**
 * The octets of a manifest. Publish exactly these: clients pin their digest.
 * @throws ManifestError `manifest_malformed` when `parseManifest` would refuse them.
 */
export function encodeManifest(manifest: Manifest): Bytes {
  const encoded = toUtf8(JSON.stringify(manifest));
  parseManifest(encoded);
  return encoded;
}

/**
 * Reads a manifest and the deployments in it.
 * @throws ManifestError `manifest_malformed` with every problem and its path.
 */
export function parseManifest(manifestOctets: Uint8Array): Manifest {
  if (manifestOctets.length > MAXIMUM_BYTES)
    throw new ManifestError('manifest_malformed', [{ path: '', message: `over ${MAXIMUM_BYTES} octets` }]);
  let value: unknown;
  try {
    value = parseStrictJson(manifestOctets);
  } catch (error) {
    const message = error instanceof Error ? error.message : 'not JSON';
    throw new ManifestError('manifest_malformed', [{ path: '', message }]);
  }
  const read = readShape(shape, value);
  if (!read.ok) throw new ManifestError('manifest_malformed', read.problems);
  return read.value;
}

/** SHA-256 of the manifest's octets: what a client pins and a core names. */
export function manifestDigest(manifestOctets: Uint8Array): Promise<Bytes> {
  return sha256(manifestOctets);
}

/** When the manifest ends. */
export function manifestExpiry(manifest: Manifest): Date {
  return new Date(manifest.not_after);
}

/** The exact octets of a deployment in the manifest. */
export function deploymentOctets(entry: ManifestDeployment): Bytes {
  return fromBase64url(entry.document);
}

function readDocument(document: Bytes, path: string, problems: Problem[]): boolean {
  try {
    parseDeployment(document);
    return true;
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    for (const problem of error.problems)
      problems.push({
        path: problem.path === '' ? path : `${path}: ${problem.path}`,
        message: problem.message,
      });
    return false;
  }
}
