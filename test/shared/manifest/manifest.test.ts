import { describe, expect, it } from 'vitest';
import { simulatedReferenceValue } from '../../../backend/tee/simulated/reference-value.ts';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import { fromUtf8, toUtf8 } from '../../../shared/bytes/utf8.ts';
import {
  type Deployment,
  deploymentDigest,
  encodeDeployment,
  parseDeployment,
} from '../../../shared/manifest/deployment.ts';
import {
  deploymentOctets,
  encodeManifest,
  type Manifest,
  manifestDigest,
  manifestExpiry,
  parseManifest,
} from '../../../shared/manifest/manifest.ts';
import { ManifestError } from '../../../shared/manifest/manifest-error.ts';
import { deployment } from '../../backend/tee/simulated-node.ts';

const manifest: Manifest = {
  version: 1,
  service: 'local',
  serial: 3,
  previous: 'A'.repeat(43),
  not_after: '2027-01-01T00:00:00Z',
  owners: [],
  threshold: 0,
  seed_shares: { owners: [], threshold: 0 },
  witnesses: { keys: [], threshold: 0 },
  attestation_service: 'none',
  reference_values: { worker: [simulatedReferenceValue(['5a'.repeat(48)])] },
  deployments: [{ name: 'tiny', document: toBase64url(encodeDeployment(deployment)) }],
  secrets: [],
  key_epoch: { seconds: 3600, overlap_seconds: 3600 },
};

function problemsOf(parse: () => unknown): readonly string[] {
  try {
    parse();
    return [];
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    return error.problems.map(({ path, message }) => `${path}: ${message}`);
  }
}

/** The problems after one member, named by its path, was set to a value, or removed when the value is undefined. */
function problemsWith(path: readonly (string | number)[], value: unknown): readonly string[] {
  const document = JSON.parse(JSON.stringify(manifest)) as unknown;
  let holder = document as Record<string | number, unknown>;
  for (const name of path.slice(0, -1)) holder = holder[name] as Record<string | number, unknown>;
  const last = path.at(-1) as string;
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return problemsOf(() => parseManifest(toUtf8(JSON.stringify(document))));
}

/** Every member of every object in the document, by path. */
function* membersOf(
  value: unknown,
  path: readonly (string | number)[] = [],
): Generator<readonly (string | number)[]> {
  if (Array.isArray(value))
    for (const [index, item] of value.entries()) yield* membersOf(item, [...path, index]);
  else if (typeof value === 'object' && value !== null)
    for (const [name, member] of Object.entries(value)) {
      yield [...path, name];
      yield* membersOf(member, [...path, name]);
    }
}

describe('manifest', () => {
  it('comes back as it went', () => {
    expect(parseManifest(encodeManifest(manifest))).toEqual(manifest);
    expect(manifestExpiry(manifest)).toEqual(new Date('2027-01-01T00:00:00Z'));
    const [entry] = manifest.deployments;
    expect(entry && parseDeployment(deploymentOctets(entry))).toEqual(deployment);
  });
  it('is named by the digest of its exact octets', async () => {
    const octets = encodeManifest(manifest);
    expect(await manifestDigest(octets)).toEqual(
      new Uint8Array(await crypto.subtle.digest('SHA-256', octets)),
    );
  });
  it('leaves nothing out: every member is needed but the roles, and none may be added beside it', () => {
    const paths = [...membersOf(manifest)];
    expect(paths.length).toBeGreaterThan(45);
    for (const path of paths) {
      const optional = path.join('.') === 'reference_values.worker';
      expect([path, problemsWith(path, undefined).length]).toEqual([path, optional ? 0 : 1]);
      const problems = problemsWith([...path.slice(0, -1), 'surprise'], 1);
      expect([path, problems.length, problems[0]?.endsWith('surprise: unknown member')]).toEqual([
        path,
        1,
        true,
      ]);
      expect(problemsWith(path, { other: 'kind' })).not.toEqual([]);
    }
  });
  it('reports all problems at once', () => {
    const broken = {
      ...manifest,
      service: 'Chat',
      serial: 0,
      owners: ['somebody'],
      threshold: -1,
      attestation_service: 'ours',
      secrets: {},
      key_epoch: { seconds: 100, overlap_seconds: 200 },
    };
    expect(problemsOf(() => parseManifest(toUtf8(JSON.stringify(broken))))).toEqual([
      'service: must be a lower-case name with hyphens and dots',
      'serial: must be a whole number from 1 to 9007199254740991',
      'owners[0]: must be an object',
      'threshold: must be a whole number from 0 to 32',
      'attestation_service: must be "none" or "required"',
      'secrets: must be an array',
      'key_epoch: must not overlap longer than it lasts',
    ]);
  });
  it('requires no attestation service that nothing can be', () => {
    expect(problemsWith(['attestation_service'], 'required')).toEqual([
      'attestation_service: must be "none" where no reference values say what one is',
    ]);
    const { worker } = manifest.reference_values;
    for (const reference_values of [
      { worker, all: worker },
      { worker, 'attestation-service': worker },
    ]) {
      const named = { ...manifest, attestation_service: 'required', reference_values } as Manifest;
      expect(parseManifest(encodeManifest(named))).toEqual(named);
    }
  });
  it('can never ask for debug or migration', () => {
    const at = ['reference_values', 'worker', 0, 'guest_policy'];
    expect(problemsWith([...at, 'debug'], true)).toEqual([
      'reference_values.worker[0].guest_policy.debug: must be false',
    ]);
    expect(problemsWith([...at, 'migrate'], true)).toHaveLength(1);
  });
  it('refuses a name twice, a duplicate member, and octets without end', () => {
    expect(problemsWith(['deployments'], [...manifest.deployments, ...manifest.deployments])).toEqual([
      'deployments: has a name twice',
    ]);
    const twice = fromUtf8(encodeManifest(manifest)).replace('"serial":3', '"serial":3,"serial":4');
    expect(problemsOf(() => parseManifest(toUtf8(twice)))).toEqual([
      ': not acceptable as JSON: duplicate member',
    ]);
    expect(problemsOf(() => parseManifest(new Uint8Array(600_000)))).toEqual([': over 524288 octets']);
  });
  it('looks into its deployments', () => {
    const document = toBase64url(toUtf8(JSON.stringify({ ...deployment, isolation: 'none', routes: ['x'] })));
    expect(problemsWith(['deployments', 0, 'document'], document)).toEqual([
      'deployments[0].document: isolation: must be "shared" or an object with a mode',
      'deployments[0].document: routes[0]: must be a method, a space and a path',
    ]);
  });
  it('does not encode what it would not read', () => {
    expect(() => encodeManifest({ ...manifest, serial: -1 })).toThrow(ManifestError);
  });
});

describe('deployment', () => {
  it('comes back as it went', () => {
    expect(parseDeployment(encodeDeployment(deployment))).toEqual(deployment);
  });
  it('has the digest of label, zero octet and exact octets', async () => {
    const octets = encodeDeployment(deployment);
    const expected = await crypto.subtle.digest(
      'SHA-256',
      new Uint8Array([...toUtf8('cloister deployment v1'), 0, ...octets]),
    );
    expect(await deploymentDigest(octets)).toEqual(new Uint8Array(expected));
  });
  it('refuses every member that is missing, unknown or of another kind', () => {
    for (const [name] of Object.entries(deployment)) {
      const { [name as keyof Deployment]: _, ...rest } = deployment;
      expect(problemsOf(() => parseDeployment(toUtf8(JSON.stringify(rest))))).toEqual([`${name}: missing`]);
      expect(
        problemsOf(() => parseDeployment(toUtf8(JSON.stringify({ ...deployment, [name]: 0 })))),
      ).toHaveLength(1);
    }
    expect(problemsOf(() => parseDeployment(toUtf8(JSON.stringify({ ...deployment, x: 1 }))))).toEqual([
      'x: unknown member',
    ]);
    expect(problemsOf(() => parseDeployment(toUtf8('{')))).toEqual([': not acceptable as JSON: syntax']);
    expect(problemsOf(() => parseDeployment(new Uint8Array(70_000)))).toEqual([': over 65536 octets']);
  });
});
