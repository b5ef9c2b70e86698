// Verifies an attestation bundle and yields the one thing that may be sealed to. Reads top to bottom as the list of its steps.

import { toBase64url } from '../bytes/base64url.ts';
import { type Bytes, concat } from '../bytes/concat.ts';
import { parseBundle } from '../evidence/bundle.ts';
import { type NodeCore, parseCore } from '../evidence/node-core.ts';
import type { NodeStatement } from '../evidence/node-statement.ts';
import { type Deployment, parseDeployment } from '../manifest/deployment.ts';
import { manifestExpiry } from '../manifest/manifest.ts';
import { findDeployment, judgeNode } from './judge-node.ts';
import { type Policy, parsePolicy } from './policy.ts';
import { rememberSignatures } from './remember-signatures.ts';
import { PINNED_ROOTS } from './roots/amd.ts';
import type { VendorRoots } from './roots/vendor-roots.ts';
import { type Step, StepLog, StoppedVerification } from './step.ts';
import type { VerificationFailure } from './verification-error.ts';
import { type VerifierCrypto, webCrypto } from './verifier-crypto.ts';
import { copyDemand, type FreshnessDemand, verifyFreshness } from './verify-freshness.ts';
import { verifyManifest } from './verify-manifest.ts';
import { type NodeTrust, verifyNode } from './verify-node.ts';
import type { CertificateStatusOf } from './verify-nvidia-gpu.ts';
import { verifySecond } from './verify-second.ts';

export type { Step } from './step.ts';

/** What a verification needs besides bundle and policy. */
export interface VerificationContext {
  /** The time of the verification: nothing here reads a clock for more than a duration. */
  readonly now: Date;
  /** Default: the pinned ones. */
  readonly roots?: VendorRoots;
  /** Default: WebCrypto. */
  readonly crypto?: VerifierCrypto;
  /** Key set of NVIDIA's attestation service, fetched from NVIDIA by the caller. Absent: no verdict of it counts. */
  readonly nrasKeys?: Uint8Array | undefined;
  /** What the caller knows from NVIDIA's OCSP responder. Absent: no status is known. */
  readonly gpuCertificateStatus?: CertificateStatusOf | undefined;
  /**
   * Octets of the highest version of the manifest that the caller has seen, for pins other than a digest (`memoryNameOf` says under which
   * name to keep it). Absent: none, and nothing shows a rollback.
   */
  readonly remembered?: Uint8Array | undefined;
  /** How fresh the statement must be, beyond its own dates. Absent: whatever it says of itself is checked, and no more is asked. */
  readonly freshness?: FreshnessDemand | undefined;
}

/** Either a key, or why there is none; every step that was taken in both cases. */
export type Verification =
  | { readonly ok: true; readonly key: AttestedKey; readonly steps: readonly Step[] }
  | { readonly ok: false; readonly failure: VerificationFailure; readonly steps: readonly Step[] };

/** A node that an attestation service appraised: its evidence is genuine and meets the manifest. No key to seal to comes of it. */
export interface AppraisedNode {
  readonly core: NodeCore;
  readonly statement: NodeStatement;
  /** 32 octets. */
  readonly coreDigest: Bytes;
  /** 32 octets. */
  readonly manifestDigest: Bytes;
  readonly assurance: 'hardware' | 'simulated';
  readonly notAfter: Date;
}

/** Either an appraised node, or why there is none. */
export type NodeAppraisal =
  | { readonly ok: true; readonly node: AppraisedNode; readonly steps: readonly Step[] }
  | { readonly ok: false; readonly failure: VerificationFailure; readonly steps: readonly Step[] };

/** What was found to be true of a node. */
interface Findings {
  readonly appraised: AppraisedNode;
  readonly node: string;
  readonly coreOctets: Bytes;
  readonly coreDigest: string;
  readonly deploymentOctets: Bytes;
  readonly manifestOctets: Bytes;
  readonly assurance: 'hardware' | 'simulated';
  readonly notAfter: Date;
  readonly policy: Policy;
}

// `key.constructor` is within everyone's reach; this symbol is not.
const MAKER = Symbol('verifyBundle');

// Exported as a type only: no other file can make one, and the private member keeps look-alikes out.
class AttestedKey {
  readonly #findings: Findings;

  constructor(maker: typeof MAKER, findings: Findings) {
    if (maker !== MAKER) throw new TypeError('only verifyBundle makes an AttestedKey');
    this.#findings = findings;
    Object.freeze(this);
  }

  /** Whether a value was made here. */
  static isOne(value: unknown): value is AttestedKey {
    return typeof value === 'object' && value !== null && #findings in value;
  }

  /** base64url node id. */
  get node(): string {
    return this.#findings.node;
  }
  /** The `application/ohttp-keys` list to seal to; a copy. */
  get ohttpKeys(): Bytes {
    return this.core.ohttpKeys;
  }
  /** base64url: what `cloister-attestation` says inside the seal. */
  get coreDigest(): string {
    return this.#findings.coreDigest;
  }
  /** The core; a copy. */
  get core(): NodeCore {
    return parseCore(this.#findings.coreOctets);
  }
  /** What runs there; a copy. */
  get deployment(): Deployment {
    return parseDeployment(this.#findings.deploymentOctets);
  }
  /** The manifest's octets, to be remembered as seen; a copy. */
  get manifest(): Bytes {
    return concat(this.#findings.manifestOctets);
  }
  /** `first-use`: nobody vouches for the manifest; shown as unverified, whatever the evidence says. */
  get manifestTrust(): 'pinned' | 'first-use' {
    return this.#findings.policy.manifest.pin === 'first-use' ? 'first-use' : 'pinned';
  }
  /** `simulated` is never shown as verified hardware. */
  get assurance(): 'hardware' | 'simulated' {
    return this.#findings.assurance;
  }
  /** When the first of all that was relied on ends; verify anew before. */
  get notAfter(): Date {
    return new Date(this.#findings.notAfter);
  }
  /** The policy that was applied; a copy. */
  get policy(): Policy {
    return parsePolicy(this.#findings.policy);
  }
}

export type { AttestedKey };

/** Whether a value is an AttestedKey that this verifier made. */
export const isAttestedKey: (value: unknown) => value is AttestedKey = AttestedKey.isOne;

/**
 * Verifies the bundle of one node against a policy, offline.
 * The input is copied first, so that nobody can change it between the steps.
 * @throws PolicyError when the policy is not valid; RangeError when `now` is not a date; ManifestError when `remembered` is not a manifest.
 * Bad bundles never throw.
 */
export async function verifyBundle(
  bundle: Uint8Array,
  policy: Policy,
  context: VerificationContext,
): Promise<Verification> {
  const { findings, log } = await findAll(bundle, policy, context, 'client');
  return findings === undefined
    ? { ok: false, failure: failureOf(log), steps: log.steps }
    : { ok: true, key: new AttestedKey(MAKER, findings), steps: log.steps };
}

/**
 * What an attestation service does with a node's bundle: every step that a client takes but those about results, which the service is
 * about to issue. Throws like `verifyBundle`.
 */
export async function appraiseNode(
  bundle: Uint8Array,
  policy: Policy,
  context: VerificationContext,
): Promise<NodeAppraisal> {
  const { findings, log } = await findAll(bundle, policy, context, 'attestation-service');
  return findings === undefined
    ? { ok: false, failure: failureOf(log), steps: log.steps }
    : { ok: true, node: findings.appraised, steps: log.steps };
}

/** What the caller wants or knows beyond the policy. */
type Asked = Pick<VerificationContext, 'remembered' | 'freshness'>;

/** Whoever relies on the outcome. */
type Reader = 'client' | 'attestation-service';

async function findAll(
  bundle: Uint8Array,
  policy: Policy,
  context: VerificationContext,
  reader: Reader,
): Promise<{ readonly findings: Findings | undefined; readonly log: StepLog }> {
  const octets = concat(bundle);
  const trusted = parsePolicy(policy);
  const now = new Date(context.now);
  if (Number.isNaN(now.getTime())) throw new RangeError('now must be a date');
  const log = new StepLog();
  const asked = {
    remembered: context.remembered && concat(context.remembered),
    freshness: context.freshness && copyDemand(context.freshness),
  };
  try {
    const trust = {
      policy: trusted,
      now,
      roots: context.roots ?? PINNED_ROOTS,
      // Node and service, or a node and its siblings, show the same chain.
      crypto: rememberSignatures(context.crypto ?? webCrypto),
      nrasKeys: context.nrasKeys && concat(context.nrasKeys),
      gpuCertificateStatus: context.gpuCertificateStatus,
    };
    const findings = await findOut(log, octets, trust, reader, asked);
    if (log.violations.length === 0) return { findings, log };
  } catch (error) {
    if (!(error instanceof StoppedVerification)) throw error;
  }
  return { findings: undefined, log };
}

function failureOf({ violations, steps }: StepLog): VerificationFailure {
  const [first, ...rest] = violations;
  if (!first) throw new Error('a verification without a key has a violation');
  return { code: first.code, violations: [first, ...rest], steps };
}

async function findOut(
  log: StepLog,
  octets: Bytes,
  trust: NodeTrust,
  reader: Reader,
  asked: Asked,
): Promise<Findings> {
  const { policy, now } = trust;
  const bundle = await log.must('bundle.form', 'The bundle can be read in exactly one way', () => ({
    result: 'pass',
    actual: `${octets.length} octets`,
    value: parseBundle(octets),
  }));

  const { manifest, hash: manifestHash } = await verifyManifest(log, bundle, {
    pin: policy.manifest,
    now,
    remembered: asked.remembered,
  });

  const node = await verifyNode(log, bundle.node, trust);
  const { statement, core, genuine, devices } = node;
  await verifyFreshness(log, {
    statement,
    proof: bundle.node.freshness,
    demand: asked.freshness,
    witnesses: manifest.witnesses,
    now,
  });

  const deployment = await findDeployment(manifest, core);
  judgeNode(log, { core, manifest, manifestHash, deployment, genuine, devices, policy });

  let assurance = node.assurance;
  const ends = [node.notAfter, manifestExpiry(manifest)];
  if (reader === 'client') {
    const second = await verifySecond(log, bundle, { node, manifest, manifestHash, trust });
    if (second) {
      ends.push(second.notAfter);
      if (second.assurance === 'simulated') assurance = 'simulated';
    }
  }
  const notAfter = new Date(Math.min(...ends.map((end) => end.getTime())));
  return {
    appraised: {
      core,
      statement,
      coreDigest: node.coreDigest,
      manifestDigest: manifestHash,
      assurance,
      notAfter,
    },
    node: toBase64url(core.node),
    coreOctets: statement.core,
    coreDigest: toBase64url(node.coreDigest),
    deploymentOctets: deployment?.octets ?? new Uint8Array(),
    manifestOctets: bundle.manifest,
    assurance,
    notAfter,
    policy,
  };
}
