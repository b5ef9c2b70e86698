// An edge that lies: a fetch that hands out whatever bundles a test gives it, and keeps what it was asked.

import { randomBytes } from 'node:crypto';
import { createAttestationService } from '../../backend/attestation-service/appraise.ts';
import { Affirmations } from '../../backend/enrolment/affirm.ts';
import { type Epoch, makeEpoch } from '../../backend/enrolment/make-epoch.ts';
import { nodeCryptoProvider } from '../../backend/keys/node-crypto-provider.ts';
import { generateReceiptKey } from '../../backend/keys/receipt-key.ts';
import type { SimulatedFault } from '../../backend/tee/simulated/faults.ts';
import { measureGuest } from '../../backend/tee/simulated/measure-tree.ts';
import { loadSimulatedPlatform } from '../../backend/tee/simulated/platform.ts';
import { createSimulatedTee } from '../../backend/tee/simulated/tee.ts';
import { FOLDER } from '../../deploy/local/folders.ts';
import type { OwnerFiles } from '../../deploy/local/owner-files.ts';
import { toBase64url } from '../../shared/bytes/base64url.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { readSigned } from '../../shared/cli/manifest/manifest-folder.ts';
import { deploymentOctets, parseManifest } from '../../shared/manifest/manifest.ts';
import { VerificationError } from '../../shared/verifier/verification-error.ts';
import { DIRECTORY_PATH } from '../../shared/wire/routes.ts';
import { TEST_PLATFORM } from './whole-system.ts';

const EPOCH_SECONDS = 3600;
const NODE_ID_OCTETS = 16;

/** A node as its own code would describe it, without a process. */
export interface DescribedNode extends Epoch {
  /** base64url. */
  readonly id: string;
}

/** Makes keys, core, statement and evidence with the code that nodes run; `fault` bends the simulated TEE. */
export async function describeNode(
  owner: OwnerFiles,
  options: { readonly fault?: SimulatedFault; readonly now?: Date } = {},
): Promise<DescribedNode> {
  const { fault, now = new Date() } = options;
  const random = (octets: number): Bytes => new Uint8Array(randomBytes(octets));
  const platform = await loadSimulatedPlatform(TEST_PLATFORM, { now: new Date(), random });
  const tee = createSimulatedTee({ platform, measurement: await measureGuest(FOLDER.root), fault });
  const { manifest, signatures } = await readSigned(owner.manifestPath);
  const [entry] = parseManifest(manifest).deployments;
  if (entry === undefined) throw new Error('the manifest has no deployment');
  const node = random(NODE_ID_OCTETS);
  const receiptKey = generateReceiptKey();
  const epoch = await makeEpoch(
    {
      node,
      role: 'all',
      receiptPublicKey: receiptKey.publicOctets,
      manifest,
      ...(signatures && { signatures }),
      deployment: deploymentOctets(entry),
      probeDigest: random(32),
    },
    { tee, provider: nodeCryptoProvider, random, now, lifeSeconds: EPOCH_SECONDS, usedKeyIds: new Set() },
  );
  const service = await createAttestationService({ policy: owner.policy, key: receiptKey });
  const bundle = await new Affirmations(service, () => now).affirm(epoch).then(
    (affirmation) => affirmation.bundle,
    (error: unknown) => {
      // Nobody vouches for a faulty node; what its edge can hand out is its evidence alone.
      if (!(error instanceof VerificationError)) throw error;
      return epoch.bundle;
    },
  );
  return { ...epoch, bundle, id: toBase64url(node) };
}

/** What a client asked a hostile edge. */
export interface HostileEdge {
  readonly fetch: typeof fetch;
  /** `METHOD /path`, oldest first. */
  readonly asked: readonly string[];
}

/** Lists the names of `bundles` and hands out their octets; answers a POST with `answer`. */
export function startHostileEdge(
  bundles: ReadonlyMap<string, Bytes>,
  answer: () => Response = () => new Response(null, { status: 500 }),
): HostileEdge {
  const asked: string[] = [];
  return {
    asked,
    fetch: async (input, init) => {
      const { method, url } = new Request(input, init);
      const { pathname } = new URL(url);
      asked.push(`${method} ${pathname}`);
      if (method !== 'GET') return answer();
      if (pathname === DIRECTORY_PATH)
        return Response.json({ nodes: [...bundles.keys()].map((node) => ({ node, keys: [] })) });
      const bundle = bundles.get(pathname.slice(DIRECTORY_PATH.length + 1));
      return bundle === undefined ? new Response(null, { status: 404 }) : new Response(bundle);
    },
  };
}
