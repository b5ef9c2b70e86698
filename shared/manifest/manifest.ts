// The manifest: what a service promises to run, as exact octets that a client pins.

import { fromBase64url, toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';
import { parseInstant } from '../bytes/instant.ts';
import {
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
  wordOr,
} from '../bytes/shape.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import { parseDeployment } from './deployment.ts';
import { type KeyHolder, keyHolders, threshold, thresholdProblem } from './key-holders.ts';
import { ManifestError } from './manifest-error.ts';
import { type ReferenceValue, referenceValues } from './reference-value.ts';
import { type ManifestSecret, manifestSecret } from './secret.ts';

export type { ReferenceValue };

/** A deployment that the manifest allows. */
export interface ManifestDeployment {
  readonly name: string;
  /** base64url of the deployment's exact octets: see `deploymentOctets`. */
  readonly document: string;
}

/** The members are the JSON's own, so that what is pinned reads like what is used. */
export interface Manifest {
  /** Of the format. */
  readonly version: 1;
  /** What is promised, such as `chat.example`: the same in all versions, so that one service's manifest cannot stand in for another's. */
  readonly service: string;
  /** The manifest's own version: 1, then one more with every change. */
  readonly serial: number;
  /** `none` exactly with serial 1; otherwise the digest of the version before, base64url. */
  readonly previous: 'none' | string;
  /** Such as `2027-01-31T23:59:59Z`; clients refuse the manifest afterwards. */
  readonly not_after: string;
  /** Who may replace the manifest. Empty: nobody, it is immutable. */
  readonly owners: readonly KeyHolder[];
  /** How many owners must sign: 0 exactly with no owners. */
  readonly threshold: number;
  /** Who can recover the attestation service's secrets together. Empty: nobody, there is no recovery. */
  readonly seed_shares: { readonly owners: readonly KeyHolder[]; readonly threshold: number };
  /** Whose cosignatures make a checkpoint of the log count, and how many of them it takes. Empty: no log is relied on. */
  readonly witnesses: { readonly keys: readonly KeyHolder[]; readonly threshold: number };
  /**
   * Whether an attestation service must vouch for nodes as well as their evidence does. `required`: any node that meets the reference values
   * of the role `attestation-service` or `all` is one.
   */
  readonly attestation_service: 'none' | 'required';
  /** Per role; a role without reference values cannot be verified. */
  readonly reference_values: {
    readonly worker?: readonly ReferenceValue[];
    readonly 'attestation-service'?: readonly ReferenceValue[];
    readonly all?: readonly ReferenceValue[];
  };
  readonly deployments: readonly ManifestDeployment[];
  /** Which secret may go to which deployment, each by a policy of its uploader's. */
  readonly secrets: readonly ManifestSecret[];
  /** Lengths of a key epoch and of the time during which the one before still answers. */
  readonly key_epoch: { readonly seconds: number; readonly overlap_seconds: number };
}

const MAXIMUM_BYTES = 512 * 1024;
/** A digest as base64url, kept as text: 43 characters hold 258 bits, so the last one's two spare bits must be zero. */
const digestText = text(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, 'base64url of 32 octets');

const deployment: Shape<ManifestDeployment> = object<ManifestDeployment>({
  name: text(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'a lower-case name with hyphens and dots'),
  document: (value, path, problems) => {
    const document = octets(2, 64 * 1024)(value, path, problems);
    return document && readDocument(document, path, problems) ? toBase64url(document) : undefined;
  },
});

const members: Shape<Manifest> = object<Manifest>({
  version: oneOf(1),
  service: text(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'a lower-case name with hyphens and dots'),
  serial: integer(1, Number.MAX_SAFE_INTEGER),
  previous: wordOr('none', digestText),
  not_after: (value, path, problems) =>
    typeof value === 'string' && parseInstant(value)
      ? value
      : refuse(path, 'must be a time such as 2027-01-31T23:59:59Z', problems),
  owners: keyHolders,
  threshold,
  seed_shares: object<Manifest['seed_shares']>({ owners: keyHolders, threshold }),
  witnesses: object<Manifest['witnesses']>({ keys: keyHolders, threshold }),
  attestation_service: oneOf('none', 'required'),
  reference_values: object<Manifest['reference_values']>(
    { worker: referenceValues, 'attestation-service': referenceValues, all: referenceValues },
    ['worker', 'attestation-service', 'all'],
  ),
  deployments: rule(list(deployment, 1, 256), (all) =>
    new Set(all.map(({ name }) => name)).size === all.length ? undefined : 'has a name twice',
  ),
  secrets: rule(list(manifestSecret, 0, 256), (all) =>
    new Set(all.map(({ name }) => name)).size === all.length ? undefined : 'has a name twice',
  ),
  key_epoch: rule(
    object<Manifest['key_epoch']>({ seconds: integer(60, 86_400), overlap_seconds: integer(0, 86_400) }),
    (epoch) => (epoch.overlap_seconds <= epoch.seconds ? undefined : 'must not overlap longer than it lasts'),
  ),
});

// What no member shows by itself.
const shape: Shape<Manifest> = (value, path, problems) => {
  const manifest = members(value, path, problems);
  if (manifest === undefined) return undefined;
  const before = problems.length;
  const { owners, seed_shares, witnesses, deployments } = manifest;
  for (const [name, holders, wanted] of [
    ['threshold', owners, manifest.threshold],
    ['seed_shares.threshold', seed_shares.owners, seed_shares.threshold],
    ['witnesses.threshold', witnesses.keys, witnesses.threshold],
  ] as const) {
    const problem = thresholdProblem(holders.length, wanted);
    if (problem !== undefined) refuse(name, problem, problems);
  }
  if ((manifest.serial === 1) !== (manifest.previous === 'none'))
    refuse('previous', 'must be "none" with serial 1 and a digest with every other', problems);
  const { 'attestation-service': service, all } = manifest.reference_values;
  if (manifest.attestation_service === 'required' && !service && !all)
    refuse('attestation_service', 'must be "none" where no reference values say what one is', problems);
  for (const [index, secret] of manifest.secrets.entries())
    for (const [at, name] of secret.deployments.entries())
      if (!deployments.some((entry) => entry.name === name))
        refuse(`secrets[${index}].deployments[${at}]`, 'must be the name of a deployment here', problems);
  return problems.length > before ? undefined : manifest;
};

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

/** Whether nobody can ever replace the manifest. */
export function isImmutable(manifest: Manifest): boolean {
  return manifest.owners.length === 0;
}

/** Whether somebody can recover the service's secrets when its machines are gone. */
export function hasRecovery(manifest: Manifest): boolean {
  return manifest.seed_shares.owners.length > 0;
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
