// Makes one key epoch: fresh gateway keys, the core that names them, the statement, the evidence, and the bundle of it all.

import { toBase64url } from '../../shared/bytes/base64url.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { type AttestationBundle, encodeBundle, type PastManifest } from '../../shared/evidence/bundle.ts';
import { coreDigest, encodeCore, type NodeCore } from '../../shared/evidence/node-core.ts';
import { deploymentDigest, parseDeployment } from '../../shared/manifest/deployment.ts';
import { manifestDigest } from '../../shared/manifest/manifest.ts';
import { type GatewayKey, generateGatewayKey } from '../../shared/sealing/gateway-key.ts';
import { encodeKeyConfigList } from '../../shared/sealing/key-config.ts';
import type { SealingProvider } from '../../shared/sealing/provider.ts';
import { HYBRID_AES128_SUITE, HYBRID_SUITE, X25519_SUITE } from '../../shared/sealing/suite.ts';
import type { DeviceDriver, TeeDriver } from '../tee/tee-driver.ts';
import { vouchForCore } from './vouch-for-core.ts';

const FRESHNESS_OCTETS = 32;
/** A client's clock may be this far behind the node's before a fresh core looks not yet valid. */
const BACKDATE_SECONDS = 60;

/**
 * The suites of each key, best first. AES-128-GCM stands beside AES-256-GCM because stock clients that know X-Wing may know no other: the Rust
 * crate `ohttp` 0.8 ends the process over a configuration without it. Ours takes the first.
 */
const OFFERED = [[HYBRID_SUITE, HYBRID_AES128_SUITE], [X25519_SUITE]] as const;

/** One epoch of this node: from `startedAt` it is offered, at `notAfter` it is stale, then its keys are erased. */
export interface Epoch {
  readonly keys: readonly GatewayKey[];
  /** `application/ohttp-keys`. */
  readonly keyList: Bytes;
  /** The core's exact octets. */
  readonly core: Bytes;
  /** base64url. */
  readonly coreDigest: string;
  /** The attestation bundle before anybody vouched for the node: manifest, statement and evidence. */
  readonly parts: AttestationBundle;
  /** Its exact octets. */
  readonly bundle: Bytes;
  /** Of the core. */
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** What stays the same from epoch to epoch. */
export interface NodeIdentity {
  /** 16 random octets, made at start. */
  readonly node: Bytes;
  readonly role: NodeCore['role'];
  readonly receiptPublicKey: Bytes;
  readonly manifest: Bytes;
  /** Its owners' signatures, and the versions before, as the bundle carries them. */
  readonly signatures?: Bytes;
  readonly history?: readonly PastManifest[];
  /** The deployment's exact octets as the manifest carries them. */
  readonly deployment: Bytes;
  readonly probeDigest: Bytes;
}

/** Makes an epoch of `lifeSeconds`. Key ids are random octets, distinct from those in `usedKeyIds`. */
export async function makeEpoch(
  identity: NodeIdentity,
  options: {
    readonly tee: TeeDriver;
    /** The GPUs of this node; absent: it shows none. */
    readonly devices?: DeviceDriver | undefined;
    readonly provider: SealingProvider;
    readonly random: (octets: number) => Bytes;
    readonly now: Date;
    readonly lifeSeconds: number;
    readonly usedKeyIds: ReadonlySet<number>;
  },
): Promise<Epoch> {
  const { tee, devices, provider, random, now, lifeSeconds } = options;
  const used = new Set(options.usedKeyIds);
  const keys: GatewayKey[] = [];
  for (const suites of OFFERED) {
    const keyId = freshKeyId(used, random);
    used.add(keyId);
    keys.push(await generateGatewayKey({ keyId, suites, provider }));
  }
  const keyList = encodeKeyConfigList(keys.map((key) => key.config));
  const notBefore = new Date(now.getTime() - BACKDATE_SECONDS * 1000);
  const notAfter = new Date(now.getTime() + lifeSeconds * 1000);
  const { routes, features } = parseDeployment(identity.deployment);
  const core = encodeCore({
    version: 1,
    node: identity.node,
    role: identity.role,
    ohttpKeys: keyList,
    receiptKey: identity.receiptPublicKey,
    manifestDigest: await manifestDigest(identity.manifest),
    deploymentDigest: await deploymentDigest(identity.deployment),
    probeDigest: identity.probeDigest,
    surface: { routes, features, egress: 'none' },
    notBefore,
    notAfter,
  });
  const freshness = { kind: 'epoch', value: random(FRESHNESS_OCTETS) } as const;
  const node = await vouchForCore({ core, freshness, notBefore, notAfter }, { tee, devices });
  const { manifest, signatures, history } = identity;
  const parts: AttestationBundle = {
    version: 1,
    manifest,
    ...(signatures && { signatures }),
    ...(history && { history }),
    node,
  };
  return {
    keys,
    keyList,
    core,
    coreDigest: toBase64url(await coreDigest(core)),
    parts,
    bundle: encodeBundle(parts),
    notBefore,
    notAfter,
  };
}

function freshKeyId(used: ReadonlySet<number>, random: (octets: number) => Bytes): number {
  for (;;) {
    const [keyId] = random(1);
    if (keyId !== undefined && !used.has(keyId)) return keyId;
  }
}
