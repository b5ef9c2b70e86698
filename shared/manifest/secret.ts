// A secret of a deployment, and the release policy that its uploader signed: a new manifest does not carry a secret along by itself.

import { fromBase64url, toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import {
  byMember,
  hexText,
  integer,
  list,
  object,
  octets,
  oneOf,
  readShape,
  rule,
  type Shape,
  text,
} from '../bytes/shape.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import { labelledDigest } from './labelled-digest.ts';
import { ManifestError } from './manifest-error.ts';
import { type ReferenceValue, referenceValues } from './reference-value.ts';
import { ed25519Key, verifyEd25519 } from './verify-ed25519.ts';

/** When the uploader allows a secret to leave. Exactly one demand; whatever the manifest says comes on top. */
export type Release =
  /** Only to a node that runs this deployment: SHA-256 as of `deploymentDigest`, hex. */
  | { readonly to: 'deployment'; readonly digest: string }
  /** Only to a node that fits one of these, whatever reference values the manifest has. */
  | { readonly to: 'reference-values'; readonly reference_values: readonly ReferenceValue[] }
  /** To what any manifest says that so many of these owners signed, now and in future. */
  | { readonly to: 'owners'; readonly owners: readonly string[]; readonly threshold: number };

/** What an uploader signs. Members are the JSON's own. */
export interface ReleasePolicy {
  readonly version: 1;
  /** The service whose secret it is, so that a policy cannot be carried to another one. */
  readonly service: string;
  /** The secret's name. */
  readonly secret: string;
  readonly release: Release;
}

/** A secret as the manifest names it: never its value. */
export interface ManifestSecret {
  readonly name: string;
  /** Names of deployments of the manifest that may have it. */
  readonly deployments: readonly string[];
  /** base64url of the release policy's exact octets. */
  readonly release_policy: string;
  /** The uploader's Ed25519 key, base64url. */
  readonly uploader: string;
  /** base64url of 64 octets: see `releaseMessage`. */
  readonly signature: string;
}

const MAXIMUM_BYTES = 64 * 1024;
const RELEASE_LABEL = 'cloister release policy v1';
/** A secret's name. */
export const SECRET_NAME = text(
  /^[a-z0-9][a-z0-9._-]{0,62}$/,
  'a lower-case name with hyphens, dots and underscores',
);

const release = byMember<Release>('to', 'deployment', {
  deployment: object<Release & { to: 'deployment' }>({ to: oneOf('deployment'), digest: hexText(32) }),
  'reference-values': object<Release & { to: 'reference-values' }>({
    to: oneOf('reference-values'),
    reference_values: referenceValues,
  }),
  owners: rule(
    object<Release & { to: 'owners' }>({
      to: oneOf('owners'),
      owners: rule(list(ed25519Key, 1, 32), (all) =>
        new Set(all).size === all.length ? undefined : 'has a key twice',
      ),
      threshold: integer(1, 32),
    }),
    ({ owners, threshold }) => (threshold <= owners.length ? undefined : 'wants more owners than it names'),
  ),
});

const policyShape: Shape<ReleasePolicy> = object<ReleasePolicy>({
  version: oneOf(1),
  service: text(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'a lower-case name with hyphens and dots'),
  secret: SECRET_NAME,
  release,
});

/** Shape of a secret in a manifest; the policy in it must be readable and about this secret. */
export const manifestSecret: Shape<ManifestSecret> = rule(
  object<ManifestSecret>({
    name: SECRET_NAME,
    deployments: rule(list(text(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'a deployment’s name'), 1, 256), (all) =>
      new Set(all).size === all.length ? undefined : 'has a name twice',
    ),
    release_policy: (value, path, problems) => {
      const document = octets(2, MAXIMUM_BYTES)(value, path, problems);
      if (document === undefined) return undefined;
      try {
        parseReleasePolicy(document);
        return toBase64url(document);
      } catch (error) {
        if (!(error instanceof ManifestError)) throw error;
        for (const problem of error.problems)
          problems.push({
            path: problem.path === '' ? path : `${path}: ${problem.path}`,
            message: problem.message,
          });
        return undefined;
      }
    },
    uploader: ed25519Key,
    signature: text(/^[A-Za-z0-9_-]{85}[AQgw]$/, 'base64url of 64 octets'),
  }),
  (entry) =>
    parseReleasePolicy(fromBase64url(entry.release_policy)).secret === entry.name
      ? undefined
      : 'has the release policy of another secret',
);

/** The octets of a release policy. Sign and keep exactly these. @throws ManifestError when `parseReleasePolicy` would refuse them. */
export function encodeReleasePolicy(policy: ReleasePolicy): Bytes {
  const encoded = toUtf8(JSON.stringify(policy));
  parseReleasePolicy(encoded);
  return encoded;
}

/** Reads a release policy. @throws ManifestError `release_policy_malformed` with every problem. */
export function parseReleasePolicy(policyOctets: Uint8Array): ReleasePolicy {
  const malformed = (message: string) =>
    new ManifestError('release_policy_malformed', [{ path: '', message }]);
  if (policyOctets.length > MAXIMUM_BYTES) throw malformed(`over ${MAXIMUM_BYTES} octets`);
  let value: unknown;
  try {
    value = parseStrictJson(policyOctets);
  } catch (error) {
    throw malformed(error instanceof Error ? error.message : 'not JSON');
  }
  const read = readShape(policyShape, value);
  if (!read.ok) throw new ManifestError('release_policy_malformed', read.problems);
  return read.value;
}

/** What the uploader signs: "cloister release policy v1" ‖ 0x00 ‖ SHA-256 of the policy's octets. */
export function releaseMessage(policyOctets: Uint8Array): Promise<Bytes> {
  return labelledDigest(RELEASE_LABEL, policyOctets);
}

/** Whether the uploader that the manifest names signed the release policy beside it. */
export async function isReleaseSigned(secret: ManifestSecret): Promise<boolean> {
  const message = await releaseMessage(fromBase64url(secret.release_policy));
  return verifyEd25519(fromBase64url(secret.uploader), fromBase64url(secret.signature), message);
}

/** What is known of a node and of the manifest that it runs under, all verified before. */
export interface ReleaseFacts {
  readonly service: string;
  /** Name of the node's deployment in the manifest. */
  readonly deployment: string;
  /** Of the node's deployment, hex. */
  readonly deploymentDigest: string;
  /** Whether the node's evidence meets all of one of these sets. */
  readonly fits: (values: readonly ReferenceValue[]) => boolean;
  /** base64url keys whose signatures of the manifest were verified. */
  readonly manifestSigners: ReadonlySet<string>;
}

/** Why a secret does not leave. */
export type ReleaseRefusal =
  | 'release_signature'
  | 'release_service'
  | 'release_not_for_deployment'
  | 'release_deployment'
  | 'release_reference_values'
  | 'release_owners';

/** Judges one secret for one node: undefined when it may leave. The uploader's signature is checked here too. */
export async function judgeRelease(
  secret: ManifestSecret,
  facts: ReleaseFacts,
): Promise<ReleaseRefusal | undefined> {
  if (!(await isReleaseSigned(secret))) return 'release_signature';
  const { service, release: wanted } = parseReleasePolicy(fromBase64url(secret.release_policy));
  if (service !== facts.service) return 'release_service';
  if (!secret.deployments.includes(facts.deployment)) return 'release_not_for_deployment';
  switch (wanted.to) {
    case 'deployment':
      return wanted.digest === facts.deploymentDigest ? undefined : 'release_deployment';
    case 'reference-values':
      return facts.fits(wanted.reference_values) ? undefined : 'release_reference_values';
    case 'owners': {
      const agreed = wanted.owners.filter((owner) => facts.manifestSigners.has(owner)).length;
      return agreed >= wanted.threshold ? undefined : 'release_owners';
    }
  }
}
